import { existsSync, mkdirSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The user's own cache folder: a shared one, such as Node's default under /tmp, would run what another user put there. */
function cacheFolder(env: Record<string, string | undefined>): string {
  if (process.platform === 'win32') return env['LOCALAPPDATA'] || join(homedir(), 'AppData', 'Local')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches')
  return env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
}

/**
 * Keep compiled modules between starts: a verb then starts in half the time (0.78 to 0.37 s of CPU for `data inspect`). Called
 * before anything else is imported. Where the folder cannot be made, nothing is kept and nothing fails.
 */
export function keepCompiledModules(): void {
  let folder = cacheFolder(process.env)
  // Level by level: making a whole path at once never returns where the system answers "no such file", as under /proc.
  for (const level of ['', 'stillroom', 'compiled']) {
    folder = join(folder, level)
    if (existsSync(folder)) continue
    try {
      mkdirSync(folder, { mode: 0o700 })
    } catch {
      return
    }
  }
  enableCompileCache(folder)
}
