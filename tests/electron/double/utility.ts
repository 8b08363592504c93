import { fork } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'
import { state } from './state.ts'

const preamble = fileURLToPath(new URL('./registerUtility.ts', import.meta.url))

/** A utility process as a Node child process. */
export const utilityProcess = {
  fork(module: string, args: string[] = []) {
    const child = fork(module, args, {
      serialization: 'advanced',
      execArgv: ['--import', preamble],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    state.log.push(['utility process', module])
    const utility = Object.assign(new EventEmitter(), {
      pid: child.pid,
      postMessage: (message: unknown) => void child.send(message as object, () => undefined),
      kill: () => child.kill(),
    })
    child.on('message', (message) => utility.emit('message', message))
    child.on('exit', (code) => {
      Object.assign(utility, { pid: undefined })
      // Electron gives a signal as a code.
      utility.emit('exit', code ?? 1)
    })
    return utility
  },
}
