import type Database from 'better-sqlite3'
import type { TuningMemory } from '../types.ts'

/** The autotuner's memory. A value that cannot be read any more is forgotten: measuring again is always right. */
export function tuningTable(db: Database.Database): TuningMemory {
  const get = db.prepare<[string], string>('SELECT value FROM tuning WHERE key = ?').pluck()
  const put = db.prepare('INSERT OR REPLACE INTO tuning (key, value, at) VALUES (?, ?, ?)')
  return {
    recall(key) {
      const text = get.get(key)
      try {
        return text === undefined ? undefined : JSON.parse(text)
      } catch {
        return undefined
      }
    },
    remember: (key, value) => void put.run(key, JSON.stringify(value), new Date().toISOString()),
  }
}
