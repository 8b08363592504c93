import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { encodeNpz } from '../npz.ts'
import { handlers, inProcess, makeClient, makeDispatcher } from '../../engine/commands/index.ts'
import { fedInputs, probeTypes, sampleFeeds } from '../../engine/inspect/index.ts'
import { isFloat, sizeOf, TensorData } from '../../engine/ir/index.ts'
import { readModel } from '../../engine/onnx/index.ts'
import { random } from '../../engine/random.ts'
import { sharedData } from '../../tests/shared.ts'

export const title = 'Fine-tuning every float model at hand for 50 steps on random targets, through `train`'
export const help = '--models FOLDER|FILE,… --steps 50 --only NAME,… --threads N'

/** Samples of a made-up data set, and those in a step. */
const SAMPLES = 8
const BATCH = 2

/**
 * Each model gets a data set of its own: random inputs of its shapes, and random numbers as the targets of its first float output. Nothing
 * is known of any model but what its file says. Passed: the loss of the last steps is below that of the first.
 */
export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: {
      models: { type: 'string' },
      steps: { type: 'string' },
      only: { type: 'string' },
      threads: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const files = args.models ? args.models.split(',').flatMap(listed) : sharedModels()
  if (!files.length) return { text: 'no models are at hand', json: { skipped: true } }
  const only = args.only?.split(',')
  const out = mkdtempSync(join(tmpdir(), 'stillroom-fine-tune-'))
  const dispatcher = makeDispatcher(handlers)
  const { train } = makeClient(['train'], inProcess(dispatcher))
  const lines = ['| model | first loss | last loss | result |', '| --- | --- | --- | --- |']
  const rows: Record<string, unknown>[] = []
  for (const file of files.filter((f) => !only || only.some((o) => basename(f).includes(o)))) {
    const name = basename(file)
    process.stderr.write(`${name}\n`)
    const losses: number[] = []
    let result: string
    try {
      const data = join(out, `${name}.npz`)
      await madeUp(file, data)
      const on = { step: (e: { losses: Record<string, number> }) => void losses.push(e.losses.total!) }
      await train(
        {
          student: file, data, steps: Number(args.steps ?? 50), batch: BATCH, optimizer: 'adam', lr: 1e-3, schedule: 'constant', warmup: 0, split: 0.75,
          out: join(out, name), store: join(out, 'runs.db'), ...(args.threads ? { threads: Number(args.threads) } : {}),
        } as never,
        on,
      ) // prettier-ignore
      const [before, after] = [mean(losses.slice(0, 5)), mean(losses.slice(-5))]
      result = after < before ? 'lower' : 'NOT lower'
      lines.push(`| ${name} | ${before.toPrecision(4)} | ${after.toPrecision(4)} | ${result} |`)
    } catch (error) {
      result = (error as Error).message.split('\n')[0]!
      lines.push(`| ${name} | | | ${result} |`)
    }
    rows.push({ name, result, losses })
  }
  dispatcher.close()
  return { text: lines.join('\n'), json: rows, missed: rows.some((r) => r['result'] === 'NOT lower') }
}

const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length
const listed = (path: string): string[] =>
  path.endsWith('.onnx') ? [path] : readdirSync(path, { recursive: true }).map(String).filter((f) => f.endsWith('.onnx')).map((f) => join(path, f)) // prettier-ignore

function sharedModels(): string[] {
  const folder = sharedData('models')
  return folder ? listed(folder).sort() : []
}

/** Writes random samples for a model's inputs and targets `y` for its first float output. */
async function madeUp(file: string, path: string): Promise<void> {
  const model = await readModel(file)
  const { inputs, types } = await probeTypes(model, { batch: 1 })
  const y = model.graph.outputs.map((v) => types.get(v.name)).find((t) => t && isFloat(t.dtype))
  if (!y) throw new Error('no float output')
  const arrays: Record<string, TensorData> = {}
  for (const { name } of fedInputs(model.graph)) {
    const dims = inputs.get(name)!
    if (dims[0] !== 1) throw new Error(`input '${name}' does not begin with the batch: [${dims.join()}]`)
    const rows = Array.from({ length: SAMPLES }, (_, n) => sampleFeeds(model.graph, inputs, n + 1)![name]!)
    const flat = rows.flatMap((v) => Array.from(v.numbers()))
    arrays[name] = TensorData.from(rows[0]!.dtype, [SAMPLES, ...dims.slice(1)], flat)
  }
  const targets = random(1, 'targets').fillNormal(new Float32Array(SAMPLES * sizeOf(y.shape.slice(1))))
  arrays['y'] = TensorData.of('float32', [SAMPLES, sizeOf(y.shape.slice(1))], targets)
  writeFileSync(path, encodeNpz(arrays))
}
