/** Preload of a Node process that stands in for a utility process: `process.parentPort` over the IPC channel of `fork`. */
import { EventEmitter } from 'node:events'

const port = new EventEmitter()
Object.assign(process, {
  parentPort: Object.assign(port, { postMessage: (message: unknown) => process.send?.(message, undefined, {}, () => undefined) }),
})
process.on('message', (data) => port.emit('message', { data, ports: [] }))
// A utility process ends with the main process.
process.on('disconnect', () => process.exit(1))
