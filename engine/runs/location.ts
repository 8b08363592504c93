import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

type Environment = Record<string, string | undefined>

/** The user's data folder of this system; a relative XDG_DATA_HOME is ignored, as its specification asks. */
function dataFolder(env: Environment, platform: NodeJS.Platform): string {
  if (platform === 'win32') return env['APPDATA'] || join(homedir(), 'AppData', 'Roaming')
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support')
  const xdg = env['XDG_DATA_HOME']
  return xdg && isAbsolute(xdg) ? xdg : join(env['HOME'] || homedir(), '.local', 'share')
}

/** The store file used when none is named: STILLROOM_STORE, else `stillroom/store.sqlite` in the user's data folder. */
export function defaultStorePath(env: Environment = process.env, platform: NodeJS.Platform = process.platform): string {
  return env['STILLROOM_STORE'] || join(dataFolder(env, platform), 'stillroom', 'store.sqlite')
}
