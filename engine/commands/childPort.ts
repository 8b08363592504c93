import { OptionError } from '../errors.ts'
import type { HostPort } from './host.ts'

/** This process's IPC channel to the parent that forked it, as a host's port. */
export function childPort(): { port: HostPort; onSignal: (stop: () => void) => void; exit: () => void } {
  if (!process.send) throw new OptionError('the engine host is started by `stillroom`, not by hand', { where: 'engineHost' })
  // Ctrl-C reaches the whole process group; the parent decides what it means and sends a message.
  process.on('SIGINT', () => undefined)
  process.title = 'stillroom-engine'
  return {
    port: {
      // A failed write means that the parent is gone, which `disconnect` reports.
      send: (message) => void process.send!(message, undefined, {}, () => undefined),
      onMessage: (listener) => void process.on('message', listener),
      onClose: (listener) => void process.on('disconnect', listener),
    },
    onSignal(stop) {
      process.on('SIGTERM', stop)
      process.on('SIGHUP', stop)
    },
    exit: () => process.exit(0),
  }
}
