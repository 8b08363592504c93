import type { Migration } from '../migrate.ts'

export default {
  id: 10,
  name: 'runs',
  up(db) {
    db.exec(`
      CREATE TABLE runs (
        id            TEXT PRIMARY KEY,
        kind          TEXT NOT NULL,
        status        TEXT NOT NULL CHECK (status IN ('queued', 'running', 'interrupted', 'stopped', 'failed', 'done')),
        created       TEXT NOT NULL,
        started       TEXT,
        ended         TEXT,
        hostPid       INTEGER,
        hostStart     TEXT,
        hostMachine   TEXT,
        recipe        TEXT NOT NULL,
        resolved      TEXT,
        engineVersion TEXT NOT NULL,
        seed          INTEGER NOT NULL,
        models        TEXT NOT NULL,
        out           TEXT,
        error         TEXT,
        result        TEXT
      ) STRICT;
      CREATE INDEX runs_status ON runs (status);

      CREATE TABLE checkpoints (
        run     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        step    INTEGER NOT NULL,
        path    TEXT NOT NULL,
        created TEXT NOT NULL,
        PRIMARY KEY (run, step)
      ) STRICT, WITHOUT ROWID;
    `)
  },
} satisfies Migration
