import type Database from 'better-sqlite3'
import type { Checkpoint, MetricPoint, RunEvent, Store } from '../types.ts'

interface PointRow {
  split: string
  name: string
  step: number
  value: number | null
}

// NULL stands for NaN, which SQLite cannot hold.
const toPoint = (row: PointRow): MetricPoint => ({ ...row, value: row.value ?? NaN })

type SeriesPart = 'addMetrics' | 'metrics' | 'lastMetrics' | 'addEvents' | 'events' | 'addCheckpoint' | 'checkpoints'

/** What a run leaves behind step by step: metric points, log lines, checkpoints. */
export function seriesTables(db: Database.Database): Pick<Store, SeriesPart> {
  const putPoint = db.prepare('INSERT OR REPLACE INTO metrics (run, split, name, step, value) VALUES (?, ?, ?, ?, ?)')
  const points = db.prepare<[{ run: string; split: string | null; name: string | null }], PointRow>(`
    SELECT split, name, step, value FROM metrics
    WHERE run = @run AND (@split IS NULL OR split = @split) AND (@name IS NULL OR name = @name) ORDER BY split, name, step`)
  // SQLite defines bare columns beside max() as those of the row that holds the maximum.
  const last = db.prepare<[string], PointRow>(
    'SELECT split, name, max(step) AS step, value FROM metrics WHERE run = ? GROUP BY split, name ORDER BY split, name',
  )
  const putEvent = db.prepare('INSERT INTO events (run, at, level, text) VALUES (?, ?, ?, ?)')
  const events = db.prepare<[string], RunEvent>('SELECT at, level, text FROM events WHERE run = ? ORDER BY id')
  const putCheckpoint = db.prepare('INSERT OR REPLACE INTO checkpoints (run, step, path, created) VALUES (?, ?, ?, ?)')
  const checkpoints = db.prepare<[string], Checkpoint>(
    'SELECT run, step, path, created FROM checkpoints WHERE run = ? ORDER BY step',
  )

  return {
    addMetrics: db.transaction((run: string, list: readonly MetricPoint[]) => {
      for (const { split, name, step, value } of list) putPoint.run(run, split, name, step, Number.isNaN(value) ? null : value)
    }).immediate,
    metrics: (run, { split, name } = {}) => points.all({ run, split: split ?? null, name: name ?? null }).map(toPoint),
    lastMetrics: (run) => last.all(run).map(toPoint),
    addEvents: db.transaction((run: string, list: readonly Omit<RunEvent, 'at'>[]) => {
      const at = new Date().toISOString()
      for (const { level, text } of list) putEvent.run(run, at, level, text)
    }).immediate,
    events: (run) => events.all(run),
    addCheckpoint: (run, step, path) => void putCheckpoint.run(run, step, path, new Date().toISOString()),
    checkpoints: (run) => checkpoints.all(run),
  }
}
