-- schema_4.sql: what version 4 of the schema adds to version 3 (schema.sql to schema_3.sql).
--
-- Compiled into the binary and run in one transaction after the steps before it, or alone on a file of version 3.

PRAGMA user_version = 4;

CREATE TABLE latency_comparison (
  id                INTEGER PRIMARY KEY,
  trial_id          INTEGER REFERENCES trial (id),
  model             TEXT NOT NULL CHECK (model <> ''),
  weights_sha256    TEXT NOT NULL,
  plan_sha256       TEXT NOT NULL CHECK (length(plan_sha256) IN (0, 64)),
  plan_text         TEXT NOT NULL CHECK (instr(plan_text, char(10)) = 0),
  host_id           INTEGER NOT NULL REFERENCES host (id),
  build_id          INTEGER NOT NULL REFERENCES build (id),
  batch             INTEGER NOT NULL CHECK (batch > 0),
  threads           INTEGER NOT NULL CHECK (threads > 0),
  instruction_set   TEXT NOT NULL CHECK (instruction_set <> ''),
  affinity          TEXT NOT NULL,
  int8_coverage     REAL NOT NULL CHECK (int8_coverage BETWEEN 0 AND 1),
  warmup_runs       INTEGER NOT NULL CHECK (warmup_runs >= 0),
  runs              INTEGER NOT NULL CHECK (runs > 0),
  float_median_ns   REAL NOT NULL CHECK (float_median_ns > 0),
  float_p5_ns       REAL NOT NULL CHECK (float_p5_ns BETWEEN 0 AND float_median_ns),
  float_p95_ns      REAL NOT NULL CHECK (float_p95_ns >= float_median_ns),
  float_samples     BLOB NOT NULL CHECK (length(float_samples) = 8 * runs),
  integer_median_ns REAL NOT NULL CHECK (integer_median_ns > 0),
  integer_p5_ns     REAL NOT NULL CHECK (integer_p5_ns BETWEEN 0 AND integer_median_ns),
  integer_p95_ns    REAL NOT NULL CHECK (integer_p95_ns >= integer_median_ns),
  integer_samples   BLOB NOT NULL CHECK (length(integer_samples) = 8 * runs),
  ratio             REAL NOT NULL CHECK (ratio > 0),
  ratio_low         REAL NOT NULL CHECK (ratio_low > 0),
  ratio_high        REAL NOT NULL CHECK (ratio_high >= ratio_low),
  clock_drift       REAL NOT NULL CHECK (clock_drift >= 0),
  kernels           TEXT NOT NULL CHECK (kernels <> ''),
  finished_utc      TEXT NOT NULL
) STRICT;
CREATE INDEX latency_comparison_by_trial ON latency_comparison (trial_id, batch, threads);

-- The stable surface with two more columns at its end.
DROP VIEW v_trial;
CREATE VIEW v_trial (
  experiment, trial_key, model, dataset, method, w_bits, a_bits, mixed, seed, exec_mode, calib_images, images,
  top1_fraction, float_top1_fraction, size_bytes, calibrate_seconds, peak_rss_bytes, latency_ns_median, status, reason,
  simulated_only, latency_ratio, int8_coverage
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
  timed.integer_median_ns, trial.status, trial.reason,
  EXISTS (SELECT 1 FROM simulated_only WHERE simulated_only.trial_id = trial.id),
  timed.ratio, timed.int8_coverage
FROM trial
JOIN experiment ON experiment.id = trial.experiment_id
JOIN dataset ON dataset.id = trial.dataset_id
LEFT JOIN latency_comparison AS timed ON timed.id =
  (SELECT max(id) FROM latency_comparison WHERE trial_id = trial.id AND batch = 1 AND threads = 1)
WHERE NOT EXISTS (SELECT 1 FROM trial AS later WHERE later.trial_key = trial.trial_key AND later.id > trial.id);

CREATE TRIGGER latency_comparison_no_update BEFORE UPDATE ON latency_comparison
BEGIN SELECT RAISE(ABORT, 'latency_comparison is insert only: rows are never updated'); END;
CREATE TRIGGER latency_comparison_no_delete BEFORE DELETE ON latency_comparison
BEGIN SELECT RAISE(ABORT, 'latency_comparison is insert only: rows are never deleted'); END;
CREATE TRIGGER latency_comparison_no_replace BEFORE INSERT ON latency_comparison
WHEN EXISTS (SELECT 1 FROM latency_comparison WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'latency_comparison is insert only: the row exists and is never replaced'); END;
