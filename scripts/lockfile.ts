/**
 * Two things a lock file must say for `npm ci` to work on a bare machine, which npm itself does not keep:
 * - `gypfile: false` of a package that ships its binaries: npm 10 sees its binding.gyp and would compile it with node-gyp, because it reads the lock file
 *   and not the package's own refusal;
 * - no registry host, so that the same file serves a mirror.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Lock {
  packages: Record<string, Record<string, unknown>>
}

/** The lock file's text with both put right; `root` is the folder whose installed packages say `gypfile: false`. */
export function mendLock(root: string, text: string): string {
  const lock = JSON.parse(text) as Lock
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (String(entry.resolved).startsWith('http')) delete entry.resolved
    const manifest = join(root, path, 'package.json')
    if (
      path !== '' &&
      existsSync(manifest) &&
      (JSON.parse(readFileSync(manifest, 'utf8')) as { gypfile?: boolean }).gypfile === false
    ) {
      entry.gypfile = false
    }
  }
  return `${JSON.stringify(lock, null, 2)}\n`
}
