import type { Migration } from '../migrate.ts'

/** What a person writes on a run; `tags` is a JSON list. */
export default {
  id: 50,
  name: 'labels',
  up(db) {
    db.exec(`
      ALTER TABLE runs ADD COLUMN name TEXT NOT NULL DEFAULT '';
      ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
      ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT '';
    `)
  },
} satisfies Migration
