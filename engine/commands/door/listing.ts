import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { OptionError } from '../../errors.ts'
import type { Listing } from '../contract/index.ts'
import { realPath } from './grants.ts'

/** Entries shown of one folder. */
const ENTRIES = 5000

export interface Shown {
  path: string
  writable: boolean
}

/** A look into folders on behalf of a page, which has no native dialog: nothing outside of the shown folders is ever told. */
export interface FileBrowser {
  list(path: string | null): Listing
  /** @throws OptionError for a path outside, or one that may not be written */
  choose(path: string, purpose: 'read' | 'write'): void
}

/** @param shown folders to start from */
export function browseFiles(shown: readonly Shown[]): FileBrowser {
  const roots = shown.map((root) => ({ ...root, path: realPath(root.path) }))
  const rootOf = (path: string): Shown | undefined =>
    roots
      .filter((root) => path === root.path || path.startsWith(join(root.path, '/')))
      .sort((a, b) => b.path.length - a.path.length)[0]
  const inside = (path: string): { real: string; root: Shown } => {
    const real = realPath(path)
    const root = path.includes('\0') ? undefined : rootOf(real)
    if (root) return { real, root }
    const folders = roots.map((one) => one.path).join(', ')
    throw new OptionError(`'${path}' is outside of the folders that are shown`, {
      where: 'path',
      hint: folders ? `they are ${folders}; start with --root to show others` : 'start with --root to show a folder',
    })
  }
  return {
    list(path) {
      if (path === null) {
        const entries = roots.map((root) => ({ name: root.path, path: root.path, folder: true, bytes: null, modified: null }))
        return { path: null, parent: null, entries, writable: false, truncated: false }
      }
      const { real, root } = inside(path)
      const names = readdirSync(real, { withFileTypes: true }).filter(({ name }) => !name.startsWith('.'))
      const entries = names.slice(0, ENTRIES).flatMap(({ name }) => {
        const at = join(real, name)
        const found = statSync(at, { throwIfNoEntry: false })
        // A link that leads outside is not told: it could not be chosen.
        if (!found || rootOf(realPath(at)) === undefined) return []
        const folder = found.isDirectory()
        return [{ name, path: at, folder, bytes: folder ? null : found.size, modified: found.mtimeMs }]
      })
      const order = new Intl.Collator('en', { numeric: true })
      entries.sort((a, b) => Number(b.folder) - Number(a.folder) || order.compare(a.name, b.name))
      const parent = rootOf(dirname(real)) ? dirname(real) : null
      return { path: real, parent, entries, writable: root.writable, truncated: names.length > ENTRIES }
    },
    choose(path, purpose) {
      const { root } = inside(path)
      if (purpose === 'write' && !root.writable)
        throw new OptionError(`'${path}' lies in a folder that is only read`, {
          where: 'path',
          hint: 'start with --out to name a folder for results',
        })
    },
  }
}
