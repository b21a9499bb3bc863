-- schema.sql: the tables of a ptqbench results file.  In prose, with the blob encodings: FORMAT.md.
--
-- Compiled into the binary and run once, in one transaction, on an empty file.  Insert only: triggers refuse UPDATE and
-- DELETE, and a guard before INSERT refuses a row that exists, because INSERT OR REPLACE passes the DELETE triggers.

PRAGMA application_id = 1347703106;  -- "PTQB"
PRAGMA user_version = 1;

CREATE TABLE meta (
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE host (
  id            INTEGER PRIMARY KEY,
  cpu_model     TEXT NOT NULL,
  cpu_flags     TEXT NOT NULL,
  logical_cores INTEGER NOT NULL,
  memory_bytes  INTEGER NOT NULL,
  os            TEXT NOT NULL,
  UNIQUE (cpu_model, cpu_flags, logical_cores, memory_bytes, os)
) STRICT;

CREATE TABLE build (
  id        INTEGER PRIMARY KEY,
  version   TEXT NOT NULL,
  revision  TEXT NOT NULL,
  compiler  TEXT NOT NULL,
  flags     TEXT NOT NULL,
  libraries TEXT NOT NULL,
  UNIQUE (version, revision, compiler, flags, libraries)
) STRICT;

CREATE TABLE experiment (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL,
  spec_sha256 TEXT NOT NULL CHECK (length(spec_sha256) IN (0, 64)),
  spec_text   TEXT NOT NULL,
  UNIQUE (name, spec_sha256, spec_text)
) STRICT;

CREATE TABLE dataset (
  id              INTEGER PRIMARY KEY,
  name            TEXT NOT NULL,
  manifest_sha256 TEXT NOT NULL,
  UNIQUE (name, manifest_sha256)
) STRICT;

CREATE TABLE dataset_image (
  dataset_id INTEGER NOT NULL REFERENCES dataset (id),
  position   INTEGER NOT NULL CHECK (position >= 0),
  image_id   TEXT NOT NULL,
  label      INTEGER NOT NULL,
  PRIMARY KEY (dataset_id, position),
  UNIQUE (dataset_id, image_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE trial (
  id                          INTEGER PRIMARY KEY,  -- ascending in the order of insertion
  trial_key                   TEXT NOT NULL CHECK (trial_key <> ''),
  trial_text                  TEXT NOT NULL,
  experiment_id               INTEGER NOT NULL REFERENCES experiment (id),
  dataset_id                  INTEGER NOT NULL REFERENCES dataset (id),
  host_id                     INTEGER NOT NULL REFERENCES host (id),
  build_id                    INTEGER NOT NULL REFERENCES build (id),
  model                       TEXT NOT NULL,
  weights_sha256              TEXT NOT NULL,
  geometry                    TEXT NOT NULL,
  preprocessing               TEXT NOT NULL,
  calibration_dataset         TEXT NOT NULL,
  calibration_manifest_sha256 TEXT NOT NULL,
  calib_images                INTEGER NOT NULL CHECK (calib_images >= 0),
  method                      TEXT NOT NULL CHECK (method <> ''),
  method_version              INTEGER NOT NULL,
  parameters                  TEXT NOT NULL,
  scheme                      TEXT NOT NULL,
  w_bits                      INTEGER NOT NULL CHECK (w_bits BETWEEN 1 AND 32),
  a_bits                      INTEGER NOT NULL CHECK (a_bits BETWEEN 1 AND 32),
  mixed                       INTEGER NOT NULL CHECK (mixed IN (0, 1)),
  seed                        INTEGER NOT NULL,
  exec_mode                   TEXT NOT NULL,
  numerics_version            INTEGER NOT NULL,
  threads                     INTEGER NOT NULL,
  status                      TEXT NOT NULL CHECK (status IN ('done', 'failed', 'unsupported')),
  reason                      TEXT NOT NULL CHECK ((status = 'done') = (reason = '')),
  images                      INTEGER NOT NULL CHECK (images >= 0 AND (images > 0) = (status = 'done')),
  top1_correct                INTEGER CHECK (top1_correct BETWEEN 0 AND images),
  top5_correct                INTEGER CHECK (top5_correct BETWEEN top1_correct AND images),
  size_bytes                  REAL,
  paper_size_bytes            REAL,
  calibrate_seconds           REAL,
  evaluate_seconds            REAL,
  peak_rss_bytes              INTEGER,
  started_utc                 TEXT NOT NULL,
  finished_utc                TEXT NOT NULL,
  CHECK ((status = 'done') = (top1_correct IS NOT NULL)),
  CHECK ((status = 'done') = (top5_correct IS NOT NULL))
) STRICT;
CREATE INDEX trial_by_key ON trial (trial_key);
CREATE INDEX trial_by_weights ON trial (weights_sha256, method, preprocessing);

CREATE TABLE calibration_image (
  trial_id INTEGER NOT NULL REFERENCES trial (id),
  position INTEGER NOT NULL CHECK (position >= 0),
  image_id TEXT NOT NULL,
  PRIMARY KEY (trial_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE operand (
  trial_id    INTEGER NOT NULL REFERENCES trial (id),
  position    INTEGER NOT NULL CHECK (position >= 0),
  op          TEXT NOT NULL,
  side        TEXT NOT NULL CHECK (side IN ('left', 'right')),
  grid        TEXT NOT NULL,
  num_bits    INTEGER NOT NULL CHECK (num_bits BETWEEN 1 AND 32),
  granularity TEXT NOT NULL,
  axis        INTEGER CHECK (axis >= 0),
  scale       BLOB NOT NULL CHECK (length(scale) % 4 = 0),
  zero_point  BLOB NOT NULL CHECK (length(zero_point) % 4 = 0),
  PRIMARY KEY (trial_id, position),
  UNIQUE (trial_id, op, side)
) STRICT, WITHOUT ROWID;

CREATE TABLE prediction (
  trial_id INTEGER NOT NULL REFERENCES trial (id),
  position INTEGER NOT NULL CHECK (position >= 0),
  top1     INTEGER NOT NULL,
  top2     INTEGER NOT NULL,
  top3     INTEGER NOT NULL,
  top4     INTEGER NOT NULL,
  top5     INTEGER NOT NULL,
  PRIMARY KEY (trial_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE latency (
  id           INTEGER PRIMARY KEY,
  trial_id     INTEGER NOT NULL REFERENCES trial (id),
  host_id      INTEGER NOT NULL REFERENCES host (id),
  build_id     INTEGER NOT NULL REFERENCES build (id),
  batch        INTEGER NOT NULL CHECK (batch > 0),
  threads      INTEGER NOT NULL CHECK (threads > 0),
  isa          TEXT NOT NULL,
  kernel       TEXT NOT NULL,
  warmup_runs  INTEGER NOT NULL CHECK (warmup_runs >= 0),
  runs         INTEGER NOT NULL CHECK (runs > 0),
  median_ns    REAL NOT NULL CHECK (median_ns > 0),
  p5_ns        REAL NOT NULL CHECK (p5_ns > 0),
  p95_ns       REAL NOT NULL CHECK (p95_ns > 0),
  samples_ns   BLOB NOT NULL CHECK (length(samples_ns) = 8 * runs),
  finished_utc TEXT NOT NULL
) STRICT;
CREATE INDEX latency_by_trial ON latency (trial_id, batch);

-- The stable surface for outside readers: columns are only ever added, at the end.
-- One row for each trial_key: its latest attempt.
CREATE VIEW v_trial (
  experiment, trial_key, model, dataset, method, w_bits, a_bits, mixed, seed, exec_mode, calib_images, images,
  top1_fraction, float_top1_fraction, size_bytes, calibrate_seconds, peak_rss_bytes, latency_ns_median, status, reason
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
  trial.status, trial.reason
FROM trial
JOIN experiment ON experiment.id = trial.experiment_id
JOIN dataset ON dataset.id = trial.dataset_id
WHERE NOT EXISTS (SELECT 1 FROM trial AS later WHERE later.trial_key = trial.trial_key AND later.id > trial.id);

CREATE TRIGGER meta_no_update BEFORE UPDATE ON meta
BEGIN SELECT RAISE(ABORT, 'meta is insert only: rows are never updated'); END;
CREATE TRIGGER meta_no_delete BEFORE DELETE ON meta
BEGIN SELECT RAISE(ABORT, 'meta is insert only: rows are never deleted'); END;
CREATE TRIGGER meta_no_replace BEFORE INSERT ON meta
WHEN EXISTS (SELECT 1 FROM meta WHERE key = NEW.key)
BEGIN SELECT RAISE(ABORT, 'meta is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER host_no_update BEFORE UPDATE ON host
BEGIN SELECT RAISE(ABORT, 'host is insert only: rows are never updated'); END;
CREATE TRIGGER host_no_delete BEFORE DELETE ON host
BEGIN SELECT RAISE(ABORT, 'host is insert only: rows are never deleted'); END;
CREATE TRIGGER host_no_replace BEFORE INSERT ON host
WHEN EXISTS (SELECT 1 FROM host WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM host
    WHERE cpu_model = NEW.cpu_model AND cpu_flags = NEW.cpu_flags AND logical_cores = NEW.logical_cores
      AND memory_bytes = NEW.memory_bytes AND os = NEW.os)
BEGIN SELECT RAISE(ABORT, 'host is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER build_no_update BEFORE UPDATE ON build
BEGIN SELECT RAISE(ABORT, 'build is insert only: rows are never updated'); END;
CREATE TRIGGER build_no_delete BEFORE DELETE ON build
BEGIN SELECT RAISE(ABORT, 'build is insert only: rows are never deleted'); END;
CREATE TRIGGER build_no_replace BEFORE INSERT ON build
WHEN EXISTS (SELECT 1 FROM build WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM build
    WHERE version = NEW.version AND revision = NEW.revision AND compiler = NEW.compiler AND flags = NEW.flags
      AND libraries = NEW.libraries)
BEGIN SELECT RAISE(ABORT, 'build is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER experiment_no_update BEFORE UPDATE ON experiment
BEGIN SELECT RAISE(ABORT, 'experiment is insert only: rows are never updated'); END;
CREATE TRIGGER experiment_no_delete BEFORE DELETE ON experiment
BEGIN SELECT RAISE(ABORT, 'experiment is insert only: rows are never deleted'); END;
CREATE TRIGGER experiment_no_replace BEFORE INSERT ON experiment
WHEN EXISTS (SELECT 1 FROM experiment WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM experiment
    WHERE name = NEW.name AND spec_sha256 = NEW.spec_sha256 AND spec_text = NEW.spec_text)
BEGIN SELECT RAISE(ABORT, 'experiment is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER dataset_no_update BEFORE UPDATE ON dataset
BEGIN SELECT RAISE(ABORT, 'dataset is insert only: rows are never updated'); END;
CREATE TRIGGER dataset_no_delete BEFORE DELETE ON dataset
BEGIN SELECT RAISE(ABORT, 'dataset is insert only: rows are never deleted'); END;
CREATE TRIGGER dataset_no_replace BEFORE INSERT ON dataset
WHEN EXISTS (SELECT 1 FROM dataset WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM dataset WHERE name = NEW.name AND manifest_sha256 = NEW.manifest_sha256)
BEGIN SELECT RAISE(ABORT, 'dataset is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER dataset_image_no_update BEFORE UPDATE ON dataset_image
BEGIN SELECT RAISE(ABORT, 'dataset_image is insert only: rows are never updated'); END;
CREATE TRIGGER dataset_image_no_delete BEFORE DELETE ON dataset_image
BEGIN SELECT RAISE(ABORT, 'dataset_image is insert only: rows are never deleted'); END;
CREATE TRIGGER dataset_image_no_replace BEFORE INSERT ON dataset_image
WHEN EXISTS (SELECT 1 FROM dataset_image WHERE dataset_id = NEW.dataset_id AND position = NEW.position)
  OR EXISTS (SELECT 1 FROM dataset_image WHERE dataset_id = NEW.dataset_id AND image_id = NEW.image_id)
BEGIN SELECT RAISE(ABORT, 'dataset_image is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER trial_no_update BEFORE UPDATE ON trial
BEGIN SELECT RAISE(ABORT, 'trial is insert only: rows are never updated'); END;
CREATE TRIGGER trial_no_delete BEFORE DELETE ON trial
BEGIN SELECT RAISE(ABORT, 'trial is insert only: rows are never deleted'); END;
CREATE TRIGGER trial_no_replace BEFORE INSERT ON trial
WHEN EXISTS (SELECT 1 FROM trial WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'trial is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER calibration_image_no_update BEFORE UPDATE ON calibration_image
BEGIN SELECT RAISE(ABORT, 'calibration_image is insert only: rows are never updated'); END;
CREATE TRIGGER calibration_image_no_delete BEFORE DELETE ON calibration_image
BEGIN SELECT RAISE(ABORT, 'calibration_image is insert only: rows are never deleted'); END;
CREATE TRIGGER calibration_image_no_replace BEFORE INSERT ON calibration_image
WHEN EXISTS (SELECT 1 FROM calibration_image WHERE trial_id = NEW.trial_id AND position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'calibration_image is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER operand_no_update BEFORE UPDATE ON operand
BEGIN SELECT RAISE(ABORT, 'operand is insert only: rows are never updated'); END;
CREATE TRIGGER operand_no_delete BEFORE DELETE ON operand
BEGIN SELECT RAISE(ABORT, 'operand is insert only: rows are never deleted'); END;
CREATE TRIGGER operand_no_replace BEFORE INSERT ON operand
WHEN EXISTS (SELECT 1 FROM operand WHERE trial_id = NEW.trial_id AND position = NEW.position)
  OR EXISTS (SELECT 1 FROM operand WHERE trial_id = NEW.trial_id AND op = NEW.op AND side = NEW.side)
BEGIN SELECT RAISE(ABORT, 'operand is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER prediction_no_update BEFORE UPDATE ON prediction
BEGIN SELECT RAISE(ABORT, 'prediction is insert only: rows are never updated'); END;
CREATE TRIGGER prediction_no_delete BEFORE DELETE ON prediction
BEGIN SELECT RAISE(ABORT, 'prediction is insert only: rows are never deleted'); END;
CREATE TRIGGER prediction_no_replace BEFORE INSERT ON prediction
WHEN EXISTS (SELECT 1 FROM prediction WHERE trial_id = NEW.trial_id AND position = NEW.position)
BEGIN SELECT RAISE(ABORT, 'prediction is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER latency_no_update BEFORE UPDATE ON latency
BEGIN SELECT RAISE(ABORT, 'latency is insert only: rows are never updated'); END;
CREATE TRIGGER latency_no_delete BEFORE DELETE ON latency
BEGIN SELECT RAISE(ABORT, 'latency is insert only: rows are never deleted'); END;
CREATE TRIGGER latency_no_replace BEFORE INSERT ON latency
WHEN EXISTS (SELECT 1 FROM latency WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'latency is insert only: the row exists and is never replaced'); END;

INSERT INTO meta (key, value) VALUES
  ('created_utc', strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
  ('created_with', 'SQLite ' || sqlite_version()),
  ('format', 'ptqbench results; tables and the view v_trial are described in results/FORMAT.md');
