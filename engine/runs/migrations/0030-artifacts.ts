import type { Migration } from '../migrate.ts'

/** A parent may belong to a run that was deleted since, so it is no foreign key: the link stays known. */
export default {
  id: 30,
  name: 'artifacts',
  up(db) {
    db.exec(`
      CREATE TABLE artifacts (
        id      TEXT PRIMARY KEY,
        run     TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        kind    TEXT NOT NULL,
        path    TEXT NOT NULL,
        bytes   INTEGER NOT NULL,
        sha256  TEXT NOT NULL,
        created TEXT NOT NULL
      ) STRICT;
      CREATE INDEX artifacts_run ON artifacts (run);
      CREATE INDEX artifacts_sha256 ON artifacts (sha256);

      CREATE TABLE artifactParents (
        artifact TEXT NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
        parent   TEXT NOT NULL,
        PRIMARY KEY (artifact, parent)
      ) STRICT, WITHOUT ROWID;
    `)
  },
} satisfies Migration
