import { open, readdir, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { DataError } from '../errors.ts'
import type { DataSet, OpenOptions } from './types.ts'

/** What readers look at to recognise a data set: nothing in it is more than one folder listing or a file's first bytes. */
export interface Source {
  /** The path, or what follows no path. */
  spec: string
  /** What follows a `?` behind the path: `data.csv?target=price`. */
  options: Readonly<Record<string, string>>
  /** Last part of the path, for display. */
  name: string
  /** Names in the folder, sorted; undefined when the source is not a folder. */
  entries?: readonly string[]
  /** First 16 bytes of the file; empty when the source is not a file. */
  head: Uint8Array
}

/** One data format, in one file under `readers/`. */
export interface Reader {
  id: string
  title: string
  /** Options that it takes behind a `?`, with what they are for. A built-in set checks its own. */
  options?: Readonly<Record<string, string>>
  /** True when the source is in this format. At most one reader recognises a source. */
  recognises(source: Source): boolean | Promise<boolean>
  open(source: Source, options: Required<OpenOptions>): Promise<DataSet>
}

export const defineReader = (reader: Reader): Reader => reader

/** Prefix of the sets drawn by our own code, which have no path. */
export const BUILTIN_PREFIX = 'builtin:'

/** Looks at a path, with options behind a `?` where no such file is there. Throws DataError when nothing is there. */
export async function lookAt(given: string): Promise<Source> {
  if (given.startsWith(BUILTIN_PREFIX)) return { spec: given, options: {}, name: given, head: new Uint8Array() }
  const at = given.lastIndexOf('?')
  const plain = at < 0 || (await stat(given).catch(() => undefined)) !== undefined
  const spec = plain ? given : given.slice(0, at)
  const options = plain ? {} : Object.fromEntries(new URLSearchParams(given.slice(at + 1)))
  const info = await stat(spec).catch((cause: unknown) => {
    throw new DataError('there is no such file or folder', { where: spec, hint: 'give the path of a data set', cause })
  })
  const name = basename(spec)
  if (info.isDirectory()) return { spec, options, name, entries: (await readdir(spec)).sort(), head: new Uint8Array() }
  if (!info.isFile()) throw new DataError('expected a file or a folder, found neither', { where: spec })
  const file = await open(spec)
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(16), 0, 16, 0)
    return { spec, options, name, head: buffer.subarray(0, bytesRead) }
  } finally {
    await file.close()
  }
}
