import type { Writable } from 'node:stream'
import { toWire, type WireError } from '../engine/commands/index.ts'
import { parseCommandLine, wantsJson } from './args.ts'
import { exitCodeOf, exitCodeOfResult } from './exit.ts'
import { helpText } from './help.ts'
import { makeProgress } from './progress.ts'
import { runCommand } from './run.ts'
import { show } from './show/index.ts'
import { plain } from './table.ts'
import { version } from './version.ts'

/** One line: what is wrong, where, and what to do. */
export function errorLine({ message, where, hint }: WireError): string {
  const place = where !== undefined && !message.includes(where) ? `${where}: ` : ''
  return plain(`stillroom: ${place}${message}${hint ? ` (${hint})` : ''}`.replaceAll(/\s*\n\s*/g, ' | '))
}

/** Write, and wait until it is written. A reader that has closed the pipe (`| head`) wants no more: that is no error. */
const write = (stream: Writable, text: string): Promise<void> =>
  new Promise((resolve) => (stream.destroyed ? resolve() : stream.write(text, () => resolve())))

/**
 * The command line. Prints, and returns the exit code.
 * @param hostEntry module of the engine host; tests put another in its place
 */
export async function main(
  argv: readonly string[],
  hostEntry: string | URL = new URL('./engineHost.ts', import.meta.url),
): Promise<number> {
  const { stdout, stderr } = process
  for (const stream of [stdout, stderr]) stream.on('error', ignoreClosedPipe)
  let progress: ReturnType<typeof makeProgress> | undefined
  try {
    const request = parseCommandLine(argv, process.cwd())
    if (request.kind !== 'call') {
      await write(stdout, `${request.kind === 'help' ? helpText(request.topic) : version()}\n`)
      return 0
    }
    progress = makeProgress(stderr, request.quiet)
    if (request.name === 'serve') {
      const { serve } = await import('./serve/index.ts')
      const onListening = (served: { url: string; port: number }): void =>
        void stdout.write(request.json ? `${JSON.stringify({ url: served.url, port: served.port })}\n` : `${served.url}\n`)
      await serve(request.input, { hostEntry, onListening, say: progress.say })
      return 0
    }
    const result = await runCommand(request.name, request.input, { hostEntry, progress })
    progress.clear()
    await write(stdout, request.json ? `${JSON.stringify(result)}\n` : `${show(request.name, result)}\n`)
    return exitCodeOfResult(result)
  } catch (error) {
    progress?.clear()
    if (process.env['STILLROOM_DEBUG'] && error instanceof Error) await write(stderr, `${error.stack}\n`)
    const wire = toWire(error)
    if (wantsJson(argv)) await write(stdout, `${JSON.stringify({ error: wire })}\n`)
    else await write(stderr, `${errorLine(wire)}\n`)
    return exitCodeOf(error)
  }
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
}
