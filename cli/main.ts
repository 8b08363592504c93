/** Entry of the command line: runs it, whether started by itself or imported by `bin.mjs`. */
import { keepCompiledModules } from './compileCache.ts'

keepCompiledModules()
const { main } = await import('./commandLine.ts')
process.exit(await main(process.argv.slice(2)))
