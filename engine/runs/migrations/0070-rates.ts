import type { Migration } from '../migrate.ts'

/** Changes of the peak learning rate that a person asked for; `step` is NULL until the trainer took one. */
export default {
  id: 70,
  name: 'rates',
  up(db) {
    db.exec(`
      CREATE TABLE rates (
        id   INTEGER PRIMARY KEY,
        run  TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        lr   REAL NOT NULL,
        step INTEGER
      ) STRICT;
      CREATE INDEX rates_run ON rates (run);
    `)
  },
} satisfies Migration
