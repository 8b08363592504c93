/** The verb `serve`: in, its options; out, a server on the loopback interface until it is told to stop. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { UnsupportedError } from '../../engine/errors.ts'
import { defaultStorePath, openDoorService } from '../../engine/commands/door/index.ts'
import { childProcess, commands, parseInput } from '../../engine/commands/index.ts'
import { version } from '../version.ts'
import { type Served, serveDoor } from './server.ts'

/** Training that is under way may take this long to write its checkpoint when the server is stopped, in milliseconds. */
const GRACE_MS = 60_000

const PAGE = resolve(import.meta.dirname, '..', '..', 'dist', 'renderer')

export interface ServeOptions {
  hostEntry: string | URL
  /** Called when the page can be opened. */
  onListening(served: Pick<Served, 'url' | 'port'>): void
  say(text: string): void
}

/** Serve the window until SIGINT, SIGTERM or SIGHUP; the second one ends running jobs at once. */
export async function serve(given: Record<string, unknown>, { hostEntry, onListening, say }: ServeOptions): Promise<void> {
  const input = parseInput(commands.serve.input, given)
  if (!existsSync(join(PAGE, 'index.html')))
    throw new UnsupportedError('the window is not built', { where: PAGE, hint: 'run: npm run build' })
  const folder = (path: string): string => resolve(path.replace(/^~(?=\/|$)/, homedir()))
  const roots = input.root.length + input.out.length > 0 ? input.root : ['.']
  const shown = [
    ...roots.map((path) => ({ path: folder(path), writable: false })),
    ...input.out.map((path) => ({ path: folder(path), writable: true })),
  ]
  const service = openDoorService({
    start: () => childProcess(hostEntry),
    store: input.store ?? defaultStorePath(),
    native: { kind: 'browser', version: version(), versions: { node: process.versions.node }, shown },
  })
  const served = await serveDoor(service, PAGE, input)
  const stopped = stopSignal((again) => {
    if (again) return void service.jobs.running().forEach(({ id }) => service.jobs.cancel(id, true))
    if (service.jobs.running().length > 0) say('writing checkpoints; what runs can be resumed (once more: end at once)')
  })
  onListening(served)
  await stopped
  await served.close()
  await service.close(GRACE_MS)
}

/** Resolves at the first signal; `heard` is told of each. */
function stopSignal(heard: (again: boolean) => void): Promise<void> {
  return new Promise((resolve) => {
    let count = 0
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        heard(count++ > 0)
        resolve()
      })
    }
  })
}
