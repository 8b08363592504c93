import { statSync } from 'node:fs'
import { z } from 'zod'
import { OptionError } from '../../errors.ts'
import { parseInput, type PickKind, Recent, Settings } from '../contract/index.ts'
import { readJson, writeJson } from './jsonFile.ts'

/** Files in the list of recent ones. */
const RECENT = 20
/** Largest JSON that a page may have remembered, in characters. */
const VIEW = 1 << 16

/** Settings kept in a file. */
export function openSettings(file: string): { get(): Settings; set(changes: Record<string, unknown>): Settings } {
  let settings = readJson(file, Settings, Settings.parse({}))
  return {
    get: () => settings,
    set(changes) {
      const next = parseInput(Settings, { ...settings, ...changes })
      if (JSON.stringify(next.view).length > VIEW)
        throw new OptionError(`view: expected at most ${VIEW} characters`, { where: 'view' })
      settings = next
      writeJson(file, settings)
      return settings
    },
  }
}

/** Recently opened files, newest first. */
export function openRecent(file: string): { list(): Recent[]; add(path: string, kind: PickKind): void; clear(): void } {
  let recent = readJson(file, z.array(Recent), [])
  const keep = (next: Recent[]): void => {
    recent = next
    writeJson(file, recent)
  }
  return {
    list: () => recent.filter(({ path }) => statSync(path, { throwIfNoEntry: false }) !== undefined),
    add: (path, kind) => keep([{ path, kind, opened: Date.now() }, ...recent.filter((one) => one.path !== path)].slice(0, RECENT)),
    clear: () => keep([]),
  }
}
