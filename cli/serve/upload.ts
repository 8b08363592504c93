import { createWriteStream, mkdirSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { OptionError } from '../../engine/errors.ts'

/** Files of one drop share a folder, named by the page. */
const BATCH = /^[0-9a-f-]{36}$/

/**
 * Copy a file that was dropped on the page: a browser does not tell where it lies. Returns the path of the copy.
 * @param inbox folder of the copies
 * @throws OptionError for a batch or name that is none
 */
export async function takeUpload(request: IncomingMessage, inbox: string, query: URLSearchParams): Promise<string> {
  const [batch, name] = [query.get('batch') ?? '', query.get('name') ?? '']
  if (!BATCH.test(batch)) throw new OptionError('batch: expected an identifier', { where: 'batch' })
  const isName = name !== '' && name.length <= 255 && basename(name) === name && !/[\\/:\0]|^\.{1,2}$/.test(name)
  if (!isName) throw new OptionError('name: expected the name of a file without folders', { where: 'name' })
  const folder = join(inbox, batch)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, name)
  try {
    await pipeline(request, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
  } catch (error) {
    // A page that goes away in the middle leaves no half of a file; a name that was sent already keeps its first copy.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') rmSync(path, { force: true })
    throw error
  }
  return path
}
