/** The engine host of the desktop: a utility process that executes engine commands sent over its port to the main process. */
import { handlers, makeDispatcher, serveHost } from '../engine/commands/index.ts'

/** Sent by the main process instead of closing the port, which Electron does not report. */
const LEAVE = 'leave'

const { parentPort } = process as NodeJS.Process & { parentPort: Electron.ParentPort }
const listen = (listener: (message: unknown) => void): void => void parentPort.on('message', ({ data }) => listener(data))

serveHost(
  {
    send: (message) => parentPort.postMessage(message),
    onMessage: (listener) => listen((message) => message !== LEAVE && listener(message)),
    onClose: (listener) => listen((message) => message === LEAVE && listener()),
  },
  makeDispatcher(handlers),
  () => process.exit(0),
)
