import { utilityProcess } from 'electron'
import { type ChildTransport, type FromHost, hostTransport } from '../engine/commands/index.ts'

/** What the host takes as "go when you are done"; see `engineHost.ts`, which is a program of its own and imports nothing from here. */
const LEAVE = 'leave'

/**
 * Commands executed in a utility process.
 * @param entry the built engine host
 */
export function utilityHost(entry: string): ChildTransport {
  return hostTransport((onMessage, onEnd) => {
    const child = utilityProcess.fork(entry, [], { serviceName: 'Stillroom engine', stdio: 'inherit' })
    child.on('message', (message: FromHost) => onMessage(message))
    child.on('exit', (code) => onEnd(`exit code ${code}`, null))
    return {
      get pid() {
        return child.pid
      },
      send: (message) => child.postMessage(message),
      // A utility process ends with the main process, busy or not; a quit waits for the queue.
      hold: () => undefined,
      kill() {
        // `child.kill()` asks; code that hangs does not hear it.
        if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL')
        else child.kill()
      },
      leave: () => child.postMessage(LEAVE),
    }
  })
}
