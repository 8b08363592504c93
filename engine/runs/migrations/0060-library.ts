import type { Migration } from '../migrate.ts'

/** Models and data sets that a person added; `facts` is a JSON object. */
export default {
  id: 60,
  name: 'library',
  up(db) {
    db.exec(`
      CREATE TABLE library (
        kind  TEXT NOT NULL CHECK (kind IN ('model', 'data')),
        path  TEXT NOT NULL,
        added TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (kind, path)
      ) STRICT, WITHOUT ROWID;
    `)
  },
} satisfies Migration
