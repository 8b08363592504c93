import type Database from 'better-sqlite3'
import type { RateChange, Store } from '../types.ts'

/** Changes of a run's learning rate: asked for by any process, taken by the one that trains. */
export function ratesTable(db: Database.Database): Pick<Store, 'askRate' | 'rates' | 'takeRates'> {
  const ask = db.prepare('INSERT INTO rates (run, lr) VALUES (?, ?)')
  const all = db.prepare<[string], RateChange>('SELECT lr, step FROM rates WHERE run = ? ORDER BY id')
  const supersede = db.prepare('DELETE FROM rates WHERE run = ? AND step >= ?')
  const take = db.prepare('UPDATE rates SET step = ? WHERE run = ? AND step IS NULL')
  return {
    askRate: (run, lr) => void ask.run(run, lr),
    rates: (run) => all.all(run),
    takeRates: db.transaction((run: string, step: number) => {
      supersede.run(run, step)
      take.run(step, run)
      return all.all(run)
    }).immediate,
  }
}
