-- schema_3.sql: what version 3 of the schema adds to version 2 (schema.sql and schema_2.sql).
--
-- Compiled into the binary and run in one transaction after the steps before it, or alone on a file of version 2.

PRAGMA user_version = 3;

CREATE TABLE note (
  trial_id INTEGER NOT NULL REFERENCES trial (id),
  name     TEXT NOT NULL CHECK (name <> ''),
  value    TEXT NOT NULL CHECK (value <> '' AND instr(value, char(10)) = 0),
  PRIMARY KEY (trial_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE simulated_only (
  trial_id INTEGER NOT NULL REFERENCES trial (id),
  grid     TEXT NOT NULL CHECK (grid <> ''),
  PRIMARY KEY (trial_id, grid)
) STRICT, WITHOUT ROWID;

CREATE TABLE norm_input (
  trial_id    INTEGER NOT NULL REFERENCES trial (id),
  position    INTEGER NOT NULL CHECK (position >= 0),
  norm        TEXT NOT NULL,
  grid        TEXT NOT NULL,
  num_bits    INTEGER NOT NULL CHECK (num_bits BETWEEN 1 AND 32),
  granularity TEXT NOT NULL,
  axis        INTEGER CHECK (axis >= 0),
  scale       BLOB NOT NULL CHECK (length(scale) % 4 = 0),
  zero_point  BLOB NOT NULL CHECK (length(zero_point) % 4 = 0),
  PRIMARY KEY (trial_id, position),
  UNIQUE (trial_id, norm)
) STRICT, WITHOUT ROWID;

CREATE TABLE operand_extra (
  trial_id INTEGER NOT NULL REFERENCES trial (id),
  operand  TEXT NOT NULL,
  field    TEXT NOT NULL CHECK (field IN ('second_scale', 'channel_bits', 'correction')),
  content  BLOB NOT NULL CHECK (length(content) > 0 AND length(content) % 4 = 0),
  PRIMARY KEY (trial_id, operand, field)
) STRICT, WITHOUT ROWID;

-- The stable surface with one more column at its end.
DROP VIEW v_trial;
CREATE VIEW v_trial (
  experiment, trial_key, model, dataset, method, w_bits, a_bits, mixed, seed, exec_mode, calib_images, images,
  top1_fraction, float_top1_fraction, size_bytes, calibrate_seconds, peak_rss_bytes, latency_ns_median, status, reason,
  simulated_only
) AS
SELECT
  experiment.name, trial.trial_key, trial.model, dataset.name, trial.method, trial.w_bits, trial.a_bits, trial.mixed,
  trial.seed, trial.exec_mode, trial.calib_images, trial.images,
  CAST(trial.top1_correct AS REAL) / trial.images,
  (SELECT CAST(reference.top1_correct AS REAL) / reference.images
   FROM trial AS reference JOIN dataset AS same ON same.id = reference.dataset_id
   WHERE reference.method = 'float32' AND reference.status = 'done'
     AND reference.weights_sha256 = trial.weights_sha256 AND reference.preprocessing = trial.preprocessing
     AND same.manifest_sha256 = dataset.manifest_sha256
   ORDER BY reference.id DESC LIMIT 1),
  trial.size_bytes, trial.calibrate_seconds, trial.peak_rss_bytes,
  (SELECT latency.median_ns FROM latency
   WHERE latency.trial_id = trial.id AND latency.batch = 1 ORDER BY latency.id DESC LIMIT 1),
  trial.status, trial.reason,
  EXISTS (SELECT 1 FROM simulated_only WHERE simulated_only.trial_id = trial.id)
FROM trial
JOIN experiment ON experiment.id = trial.experiment_id
JOIN dataset ON dataset.id = trial.dataset_id
WHERE NOT EXISTS (SELECT 1 FROM trial AS later WHERE later.trial_key = trial.trial_key AND later.id > trial.id);

CREATE TRIGGER note_no_update BEFORE UPDATE ON note
BEGIN SELECT RAISE(ABORT, 'note is insert only: rows are never updated'); END;
CREATE TRIGGER note_no_delete BEFORE DELETE ON note
BEGIN SELECT RAISE(ABORT, 'note is insert only: rows are never deleted'); END;
CREATE TRIGGER note_no_replace BEFORE INSERT ON note
WHEN EXISTS (SELECT 1 FROM note WHERE trial_id = NEW.trial_id AND name = NEW.name)
BEGIN SELECT RAISE(ABORT, 'note is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER simulated_only_no_update BEFORE UPDATE ON simulated_only
BEGIN SELECT RAISE(ABORT, 'simulated_only is insert only: rows are never updated'); END;
CREATE TRIGGER simulated_only_no_delete BEFORE DELETE ON simulated_only
BEGIN SELECT RAISE(ABORT, 'simulated_only is insert only: rows are never deleted'); END;
CREATE TRIGGER simulated_only_no_replace BEFORE INSERT ON simulated_only
WHEN EXISTS (SELECT 1 FROM simulated_only WHERE trial_id = NEW.trial_id AND grid = NEW.grid)
BEGIN SELECT RAISE(ABORT, 'simulated_only is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER norm_input_no_update BEFORE UPDATE ON norm_input
BEGIN SELECT RAISE(ABORT, 'norm_input is insert only: rows are never updated'); END;
CREATE TRIGGER norm_input_no_delete BEFORE DELETE ON norm_input
BEGIN SELECT RAISE(ABORT, 'norm_input is insert only: rows are never deleted'); END;
CREATE TRIGGER norm_input_no_replace BEFORE INSERT ON norm_input
WHEN EXISTS (SELECT 1 FROM norm_input WHERE trial_id = NEW.trial_id AND position = NEW.position)
  OR EXISTS (SELECT 1 FROM norm_input WHERE trial_id = NEW.trial_id AND norm = NEW.norm)
BEGIN SELECT RAISE(ABORT, 'norm_input is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER operand_extra_no_update BEFORE UPDATE ON operand_extra
BEGIN SELECT RAISE(ABORT, 'operand_extra is insert only: rows are never updated'); END;
CREATE TRIGGER operand_extra_no_delete BEFORE DELETE ON operand_extra
BEGIN SELECT RAISE(ABORT, 'operand_extra is insert only: rows are never deleted'); END;
CREATE TRIGGER operand_extra_no_replace BEFORE INSERT ON operand_extra
WHEN EXISTS (SELECT 1 FROM operand_extra
    WHERE trial_id = NEW.trial_id AND operand = NEW.operand AND field = NEW.field)
BEGIN SELECT RAISE(ABORT, 'operand_extra is insert only: the row exists and is never replaced'); END;
