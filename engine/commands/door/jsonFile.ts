import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { z } from 'zod'

/** Written to another name and renamed, so that a crash leaves the old or the new text; readable by its owner alone. */
export function writeJson(file: string, value: unknown): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}.tmp`
  writeFileSync(draft, JSON.stringify(value, null, 1), { mode: 0o600 })
  renameSync(draft, file)
}

/**
 * A state file of the window. One that cannot be read is set aside as `NAME.bad` and `fallback` is taken: no damaged file may keep the
 * program from starting.
 */
export function readJson<S extends z.ZodType>(file: string, schema: S, fallback: z.output<S>): z.output<S> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return fallback
  }
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    renameSync(file, `${file}.bad`)
    return fallback
  }
}
