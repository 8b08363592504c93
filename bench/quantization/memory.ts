/** Peak memory of one `quantize` in a process of its own: `memory.ts MODEL SAMPLES FOLDER [SCHEME]` prints one JSON line. */
import { join } from 'node:path'
import { handlers, inProcess, makeClient, makeDispatcher } from '../../engine/commands/index.ts'

const [model, samples, folder, scheme = 'int8'] = process.argv.slice(2) as [string, string, string, string?]
const dispatcher = makeDispatcher(handlers)
const run = makeClient(['quantize'], inProcess(dispatcher))
await run.quantize({
  model, data: 'builtin:glyphs?samples=8000&size=12&test=0.01', calibrationSamples: Number(samples), scheme: scheme as 'int8', threads: 1, overwrite: true,
  out: join(folder, 'out'), store: join(folder, 'runs.db'),
}) // prettier-ignore
dispatcher.close()
process.stdout.write(`${JSON.stringify({ samples: Number(samples), scheme, peakMiB: process.resourceUsage().maxRSS / 1024 })}\n`)
