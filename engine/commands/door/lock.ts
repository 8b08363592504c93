import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { OptionError } from '../../errors.ts'
import { isAlive, thisHost } from '../../runs/index.ts'

const Owner = z.object({ pid: z.number(), start: z.string().nullable(), machine: z.string() })

/** The process that holds a folder, or undefined when it is free or its holder is gone. */
function holder(file: string): z.output<typeof Owner> | undefined {
  try {
    const owner = Owner.parse(JSON.parse(readFileSync(file, 'utf8')))
    return isAlive(owner) ? owner : undefined
  } catch {
    return undefined
  }
}

/**
 * Keep a folder for this process: two windows on one queue would run its jobs twice. Returns what releases it; a process that dies
 * releases it as well.
 */
export function lockFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, 'lock')
  const owner = holder(file)
  if (owner && owner.pid !== process.pid) {
    throw new OptionError(`another window of Stillroom has this store open (process ${owner.pid})`, {
      where: folder,
      hint: 'close it, or name another store',
    })
  }
  rmSync(file, { force: true })
  writeFileSync(file, JSON.stringify(thisHost()), { mode: 0o600, flag: 'wx' })
  return () => rmSync(file, { force: true })
}
