/** The command line over the stand-in engine host, for tests. */
import { main } from '../commandLine.ts'

process.exit(await main(process.argv.slice(2), new URL('../../engine/commands/testing/fakeHost.ts', import.meta.url)))
