/** The engine host of the command line: a child process that executes engine commands sent over its IPC channel. */
import { keepCompiledModules } from './compileCache.ts'

keepCompiledModules()
const { childPort, handlers, makeDispatcher, serveHost } = await import('../engine/commands/index.ts')
const { port, onSignal, exit } = childPort()
onSignal(serveHost(port, makeDispatcher(handlers), exit))
