-- schema_5.sql: what version 5 of the schema adds to version 4 (schema.sql to schema_4.sql).
--
-- Compiled into the binary and run in one transaction after the steps before it, or alone on a file of version 4.

PRAGMA user_version = 5;

CREATE TABLE affinity (
  trial_id INTEGER PRIMARY KEY REFERENCES trial (id),
  cpus     TEXT NOT NULL CHECK (cpus <> '')
) STRICT;

CREATE TABLE sensitivity (
  id                          INTEGER PRIMARY KEY,
  model                       TEXT NOT NULL CHECK (model <> ''),
  weights_sha256              TEXT NOT NULL,
  dataset_id                  INTEGER NOT NULL REFERENCES dataset (id),
  images                      INTEGER NOT NULL CHECK (images > 0),
  calibration_dataset         TEXT NOT NULL,
  calibration_manifest_sha256 TEXT NOT NULL,
  calib_images                INTEGER NOT NULL CHECK (calib_images > 0),
  seed                        INTEGER NOT NULL,
  method                      TEXT NOT NULL CHECK (method <> ''),
  method_version              INTEGER NOT NULL,
  parameters                  TEXT NOT NULL,
  grouping                    TEXT NOT NULL CHECK (grouping IN ('op', 'block', 'kind')),
  float_top1_correct          INTEGER NOT NULL CHECK (float_top1_correct BETWEEN 0 AND images),
  host_id                     INTEGER NOT NULL REFERENCES host (id),
  build_id                    INTEGER NOT NULL REFERENCES build (id),
  finished_utc                TEXT NOT NULL
) STRICT;

CREATE TABLE sensitivity_cell (
  sensitivity_id     INTEGER NOT NULL REFERENCES sensitivity (id),
  position           INTEGER NOT NULL CHECK (position >= 0),
  unit               TEXT NOT NULL CHECK (unit <> ''),
  num_bits           INTEGER NOT NULL CHECK (num_bits BETWEEN 1 AND 32),
  signal_to_noise_db REAL,
  changed            INTEGER NOT NULL CHECK (changed >= 0),
  top1_correct       INTEGER NOT NULL CHECK (top1_correct >= 0),
  PRIMARY KEY (sensitivity_id, position),
  UNIQUE (sensitivity_id, unit, num_bits)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER affinity_no_update BEFORE UPDATE ON affinity
BEGIN SELECT RAISE(ABORT, 'affinity is insert only: rows are never updated'); END;
CREATE TRIGGER affinity_no_delete BEFORE DELETE ON affinity
BEGIN SELECT RAISE(ABORT, 'affinity is insert only: rows are never deleted'); END;
CREATE TRIGGER affinity_no_replace BEFORE INSERT ON affinity
WHEN EXISTS (SELECT 1 FROM affinity WHERE trial_id = NEW.trial_id)
BEGIN SELECT RAISE(ABORT, 'affinity is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER sensitivity_no_update BEFORE UPDATE ON sensitivity
BEGIN SELECT RAISE(ABORT, 'sensitivity is insert only: rows are never updated'); END;
CREATE TRIGGER sensitivity_no_delete BEFORE DELETE ON sensitivity
BEGIN SELECT RAISE(ABORT, 'sensitivity is insert only: rows are never deleted'); END;
CREATE TRIGGER sensitivity_no_replace BEFORE INSERT ON sensitivity
WHEN EXISTS (SELECT 1 FROM sensitivity WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'sensitivity is insert only: the row exists and is never replaced'); END;

CREATE TRIGGER sensitivity_cell_no_update BEFORE UPDATE ON sensitivity_cell
BEGIN SELECT RAISE(ABORT, 'sensitivity_cell is insert only: rows are never updated'); END;
CREATE TRIGGER sensitivity_cell_no_delete BEFORE DELETE ON sensitivity_cell
BEGIN SELECT RAISE(ABORT, 'sensitivity_cell is insert only: rows are never deleted'); END;
CREATE TRIGGER sensitivity_cell_no_replace BEFORE INSERT ON sensitivity_cell
WHEN EXISTS (SELECT 1 FROM sensitivity_cell WHERE sensitivity_id = NEW.sensitivity_id AND position = NEW.position)
  OR EXISTS (SELECT 1 FROM sensitivity_cell
    WHERE sensitivity_id = NEW.sensitivity_id AND unit = NEW.unit AND num_bits = NEW.num_bits)
BEGIN SELECT RAISE(ABORT, 'sensitivity_cell is insert only: the row exists and is never replaced'); END;
