import type Database from 'better-sqlite3'
import { BugError, OptionError, UnsupportedError } from '../errors.ts'

/** One step of the schema. Numbers go up in tens, so that a fix can go between; a step that was released never changes. */
export interface Migration {
  id: number
  name: string
  up(db: Database.Database): void
}

/** The store was written by a newer program than this one. */
export class StoreFromFutureError extends UnsupportedError {}

/** Marks our files among all SQLite files: the bytes of 'Stil'. */
export const APPLICATION_ID = 0x5374696c

/** Refuse a database that another program made, before anything is written to it. */
export function checkOwner(db: Database.Database): void {
  // Tables and mark arrive in one commit, so looking in this order never sees tables of ours without the mark.
  const tables = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number
  if (tables === 0 || db.pragma('application_id', { simple: true }) === APPLICATION_ID) return
  throw new OptionError(`${db.name} is a database of another program`, { where: 'store', hint: 'name another file with --store' })
}

/**
 * Bring a store to the newest schema: all pending steps in one transaction, so that a failure leaves it as it was.
 * `PRAGMA user_version` holds the number of the last step.
 */
export function migrate(db: Database.Database, migrations: readonly Migration[]): void {
  for (const [i, step] of migrations.entries()) {
    if (step.id <= (migrations[i - 1]?.id ?? 0)) throw new BugError(`migration ${step.id} (${step.name}): numbers must grow`)
  }
  const newest = migrations.at(-1)?.id ?? 0
  const run = db.transaction(() => {
    // Read inside the transaction: another process may have migrated a moment ago.
    const version = db.pragma('user_version', { simple: true }) as number
    if (version > newest) {
      throw new StoreFromFutureError(`${db.name} has schema ${version}; this program knows schemas up to ${newest}`, {
        where: 'store',
        hint: 'update Stillroom, or name another file with --store',
      })
    }
    const pending = migrations.filter((step) => step.id > version)
    if (pending.length === 0) return
    for (const step of pending) step.up(db)
    db.pragma(`application_id = ${APPLICATION_ID}`)
    db.pragma(`user_version = ${newest}`)
  })
  run.immediate()
}
