import Database from 'better-sqlite3'
import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { OptionError, StillroomError } from '../../errors.ts'
import { defaultStorePath } from '../location.ts'
import { checkOwner, migrate } from '../migrate.ts'
import { migrations } from '../migrations/list.gen.ts'
import type { Store } from '../types.ts'
import { artifactTables } from './artifacts.ts'
import { libraryTable } from './library.ts'
import { ratesTable } from './rates.ts'
import { runsTable } from './runs.ts'
import { seriesTables } from './series.ts'
import { tuningTable } from './tuning.ts'

/** How long a writer waits for another process's transaction, in milliseconds. */
const BUSY_MS = 10_000

/**
 * Write-ahead log with `synchronous = FULL`: a commit is on the disk when the call returns, so neither `kill -9` nor a power
 * cut loses it or harms the file. Writes are few and batched, so the flush does not matter.
 */
function prepare(db: Database.Database): void {
  if (!db.memory) useWriteAheadLog(db)
  db.pragma('synchronous = FULL')
  db.pragma('foreign_keys = ON')
  db.pragma('trusted_schema = OFF')
}

/** Changing the journal mode ignores the busy timeout, and two processes may open a new store at once: try again. */
function useWriteAheadLog(db: Database.Database): void {
  const deadline = Date.now() + BUSY_MS
  for (;;) {
    try {
      db.pragma('journal_mode = WAL')
      return
    } catch (error) {
      if (!(error as { code?: string }).code?.startsWith('SQLITE_BUSY') || Date.now() > deadline) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  }
}

/**
 * Open the store, made and brought to the newest schema when needed.
 * @param path its file; `:memory:` for a store that is forgotten; the default of `defaultStorePath` when absent
 * @throws OptionError when the file cannot be a store, StoreFromFutureError when a newer program wrote it
 */
export function openStore(path: string = defaultStorePath()): Store {
  const file = path === ':memory:' ? path : resolve(path)
  let db: Database.Database | undefined
  try {
    if (file !== ':memory:') {
      // Private by construction: recipes name the user's models and data.
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
      if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw new OptionError(`${file} is a folder`, { where: 'store' })
    }
    db = new Database(file, { timeout: BUSY_MS })
    const open = db
    checkOwner(open)
    prepare(open)
    migrate(open, migrations)
    return {
      path: file,
      tuning: tuningTable(open),
      ...runsTable(open),
      ...seriesTables(open),
      ...ratesTable(open),
      ...artifactTables(open),
      ...libraryTable(open),
      integrityCheck: () => integrityCheck(open),
      close: () => void open.close(),
    }
  } catch (error) {
    db?.close()
    if (error instanceof StillroomError) throw error
    const hint = 'name another file with --store or STILLROOM_STORE'
    throw new OptionError(`${file} cannot be opened as a run store: ${(error as Error).message}`, {
      where: 'store',
      hint,
      cause: error,
    })
  }
}

function integrityCheck(db: Database.Database): string[] {
  const found = db.prepare<[], string>('PRAGMA integrity_check').pluck().all()
  const keys = db.pragma('foreign_key_check') as { table: string; rowid: number; parent: string }[]
  return [
    ...found.filter((line) => line !== 'ok'),
    ...keys.map((row) => `${row.table}: row ${row.rowid} refers to a missing row of ${row.parent}`),
  ]
}
