import type { Migration } from '../migrate.ts'

/** `value` is NULL for NaN, which SQLite cannot hold. */
export default {
  id: 20,
  name: 'metrics',
  up(db) {
    db.exec(`
      CREATE TABLE metrics (
        run   TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        split TEXT NOT NULL,
        name  TEXT NOT NULL,
        step  INTEGER NOT NULL,
        value REAL,
        PRIMARY KEY (run, split, name, step)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE events (
        id    INTEGER PRIMARY KEY,
        run   TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        at    TEXT NOT NULL,
        level TEXT NOT NULL,
        text  TEXT NOT NULL
      ) STRICT;
      CREATE INDEX events_run ON events (run);
    `)
  },
} satisfies Migration
