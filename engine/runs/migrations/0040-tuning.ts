import type { Migration } from '../migrate.ts'

export default {
  id: 40,
  name: 'tuning',
  up(db) {
    db.exec(`
      CREATE TABLE tuning (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        at    TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
    `)
  },
} satisfies Migration
