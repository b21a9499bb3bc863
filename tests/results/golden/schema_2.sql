-- schema_2.sql: what version 2 of the schema adds to version 1 (schema.sql).
--
-- Compiled into the binary and run in one transaction: on an empty file after schema.sql, alone on a file of version 1.

PRAGMA user_version = 2;

CREATE TABLE allocation (
  trial_id INTEGER PRIMARY KEY REFERENCES trial (id),
  content  TEXT NOT NULL CHECK (content <> '')
) STRICT;

CREATE TRIGGER allocation_no_update BEFORE UPDATE ON allocation
BEGIN SELECT RAISE(ABORT, 'allocation is insert only: rows are never updated'); END;
CREATE TRIGGER allocation_no_delete BEFORE DELETE ON allocation
BEGIN SELECT RAISE(ABORT, 'allocation is insert only: rows are never deleted'); END;
CREATE TRIGGER allocation_no_replace BEFORE INSERT ON allocation
WHEN EXISTS (SELECT 1 FROM allocation WHERE trial_id = NEW.trial_id)
BEGIN SELECT RAISE(ABORT, 'allocation is insert only: the row exists and is never replaced'); END;
