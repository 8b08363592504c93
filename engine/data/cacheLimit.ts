import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'

/** Drafts of this age were left by a process that died. */
const DRAFT_MS = 24 * 3600 * 1000

/** Notes that a cache is in use, so that it is among the last to go. */
export async function touch(file: string): Promise<void> {
  const now = new Date()
  await utimes(file, now, now).catch(() => undefined)
}

/**
 * Deletes the caches under `root` whose `marker` file was touched longest ago until those that are left hold at most `bytes`, and drafts of
 * dead processes. The one touched last always stays. A folder that cannot be deleted, e.g. since another process reads it, stays as well.
 */
export async function limitCaches(root: string, marker: string, bytes: number): Promise<void> {
  const caches: { folder: string; used: number; size: number }[] = []
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const folder = join(root, entry.name)
    const found = await stat(join(folder, marker)).catch(() => undefined)
    if (found && !entry.name.includes('.draft-')) {
      caches.push({ folder, used: found.mtimeMs, size: await sizeOf(folder) })
      continue
    }
    const own = await stat(folder).catch(() => undefined)
    if (own && Date.now() - own.mtimeMs > DRAFT_MS) await drop(folder)
  }
  caches.sort((a, b) => b.used - a.used)
  let kept = 0
  for (const [i, { folder, size }] of caches.entries()) {
    kept += size
    if (i > 0 && kept > bytes) await drop(folder)
  }
}

async function sizeOf(folder: string): Promise<number> {
  let size = 0
  for (const name of await readdir(folder).catch(() => []))
    size += (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0
  return size
}

const drop = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true }).catch(() => undefined)
