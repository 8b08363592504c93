import { realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, normalize, sep } from 'node:path'
import { z } from 'zod'
import { OptionError } from '../../errors.ts'
import { Grant } from '../contract/index.ts'
import { readJson, writeJson } from './jsonFile.ts'

const File = z.array(Grant)

/**
 * What a page may have commands read and write: files and folders that the person chose by a dialog, a drop or a double click, and what the
 * store holds. A page that was taken over can ask for nothing else.
 */
export interface Grants {
  /** Remember a choice, and keep it for the next start unless it is the store's own. Returns the path as it is checked from now on. */
  allow(path: string, mode: Grant['mode'], from: Grant['from']): string
  allows(path: string, mode: Grant['mode']): boolean
  /** @throws OptionError naming `where` when the path is outside of what was chosen */
  check(path: string, mode: Grant['mode'], where: string): void
  list(): Grant[]
  revoke(path: string): void
}

/**
 * A path without links, dots or doubled separators. Of what does not exist yet, the existing part counts: the place where it would be made.
 */
export function realPath(path: string): string {
  const rest: string[] = []
  for (let at = normalize(path); ; at = dirname(at)) {
    try {
      return join(realpathSync(at), ...rest)
    } catch {
      if (at === dirname(at)) return normalize(path)
      rest.unshift(basename(at))
    }
  }
}

/** Whether a path can be checked at all: absolute, without the byte that ends a name in C. */
const isPlain = (path: string): boolean => isAbsolute(path) && !path.includes('\0')

const within = (path: string, root: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)

/**
 * Grants kept in a file.
 * @param own folders of the program itself, which need no choice
 */
export function openGrants(file: string, own: readonly { path: string; mode: Grant['mode'] }[]): Grants {
  const roots = new Map<string, Grant>()
  const add = (grant: Grant): void => {
    const before = roots.get(grant.path)
    // Choosing a folder to read from takes no earlier permission to write away.
    roots.set(grant.path, before?.mode === 'write' ? before : grant)
  }
  for (const { path, mode } of own) add({ path: realPath(path), mode, from: 'store' })
  for (const grant of readJson(file, File, [])) add(grant)
  const save = (): void =>
    writeJson(
      file,
      [...roots.values()].filter(({ from }) => from !== 'store'),
    )

  const allows: Grants['allows'] = (path, mode) => {
    if (!isPlain(path)) return false
    const real = realPath(path)
    return [...roots.values()].some((root) => within(real, root.path) && (mode === 'read' || root.mode === 'write'))
  }
  return {
    allow(path, mode, from) {
      if (!isPlain(path)) throw new OptionError(`expected an absolute path, found '${path}'`, { where: path })
      if (roots.has(path) && mode === 'read') return path
      const real = realPath(path)
      if (!allows(real, mode)) {
        add({ path: real, mode, from })
        if (from !== 'store') save()
      }
      return real
    },
    allows,
    check(path, mode, where) {
      if (!isPlain(path)) throw new OptionError(`${where}: expected an absolute path, found '${path}'`, { where })
      if (allows(path, mode)) return
      throw new OptionError(`${where}: '${path}' was not chosen ${mode === 'write' ? 'to be written to' : 'in this window'}`, {
        where,
        hint: mode === 'write' ? 'choose the folder that receives the files' : 'open it by the dialog, or drop it on the window',
      })
    },
    list: () => [...roots.values()],
    revoke(path) {
      if (roots.get(path)?.from === 'store') return
      roots.delete(path)
      save()
    },
  }
}
