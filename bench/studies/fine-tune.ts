import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { modelsOf } from '../models.ts'
import { encodeNpz } from '../npz.ts'
import { handlers, inProcess, makeClient, makeDispatcher } from '../../engine/commands/index.ts'
import { bindDims, fedInputs, findLogits, probeTypes, sampleFeeds } from '../../engine/inspect/index.ts'
import { isFloat, sizeOf, TensorData, type Graph } from '../../engine/ir/index.ts'
import { readModel } from '../../engine/onnx/index.ts'
import { random } from '../../engine/random.ts'

export const title = 'Fine-tuning every float model at hand for 50 steps on random targets, through `train`'
export const help = '--models FOLDER|FILE,… --steps 50 --only NAME,… --threads N'

/** Samples of a made-up data set; half of them are trained on, all in every step, so that losses of different steps compare. */
const SAMPLES = 4
/** Lengths of free dimensions: that of the inspection, or a longer one. */
const LENGTHS = [undefined, 256]
/** Numbers in a sample's answer from which on a single sample is trained on. */
const LARGE = 2 ** 18

/**
 * Each model gets a data set of its own: random inputs of its shapes, and random numbers as the targets of its first float output. Nothing
 * is known of any model but what its file says. Passed: the loss of the last step is below that of the first.
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
  const files = modelsOf(args.models, args.only)
  if (!files.length) return { text: 'no models are at hand', json: { skipped: true } }
  const out = mkdtempSync(join(tmpdir(), 'stillroom-fine-tune-'))
  const dispatcher = makeDispatcher(handlers)
  const client = makeClient(['train', 'runs.curves'], inProcess(dispatcher))
  const lines = ['| model | sample | first loss | last loss | seconds | result |', '| --- | --- | --- | --- | --- | --- |']
  const rows: Record<string, unknown>[] = []
  const store = join(out, 'runs.db')
  for (const file of files) {
    const name = basename(file)
    process.stderr.write(`${name}\n`)
    const started = performance.now()
    const { losses, result, sample } = await tuned(file, name)
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    const [before, after] = [losses[0], losses.at(-1)].map((v) => v?.toPrecision(5) ?? '')
    lines.push(`| ${name} | ${sample} | ${before} | ${after} | ${seconds} | ${result} |`)
    rows.push({ name, result, losses })
  }
  dispatcher.close()

  /** One model, on the first length of its free dimensions that it takes. */
  async function tuned(file: string, name: string): Promise<{ losses: (number | null)[]; result: string; sample: string }> {
    const steps = Number(args.steps ?? 50)
    const errors: string[] = []
    for (const length of LENGTHS)
      try {
        const data = join(out, `${name}.npz`)
        const { batch, sample } = await madeUp(file, data, length)
        const { run } = await client.train({
          student: file, data, steps, batch, evalEvery: steps, optimizer: 'adam', lr: 1e-3, schedule: 'constant', warmup: 0, split: 0.5,
          out: join(out, name), overwrite: true, store, ...(args.threads ? { threads: Number(args.threads) } : {}),
        } as never) // prettier-ignore
        const { curves } = await client['runs.curves']({ id: run, points: 10_000, store })
        const losses = curves.find((c) => c.split === 'train' && c.name === 'total')?.values ?? []
        const result = losses.length === steps && (losses.at(-1) ?? 0) < (losses[0] ?? 0) ? 'lower' : 'NOT lower'
        return { losses, result, sample }
      } catch (error) {
        errors.push((error as Error).message.split('\n')[0]!)
      }
    return { losses: [], result: errors[0]!, sample: '' }
  }

  return { text: lines.join('\n'), json: rows, missed: rows.some((r) => r['result'] === 'NOT lower') }
}

/**
 * Writes random samples for a model's inputs, and targets `y` for what it is trained by. A model whose inputs do not all lead with the
 * batch takes one sample at a time, whole.
 */
async function madeUp(file: string, path: string, length?: number): Promise<{ batch: number; sample: string }> {
  const model = await readModel(file)
  const { inputs, types } = await probeTypes(model, length === undefined ? {} : { inputs: bindDims(model.graph, length, 1) })
  const y = types.get(findLogits(model).value)
  if (!y || !isFloat(y.dtype)) throw new Error('nothing of known shape to train for')
  const fed = fedInputs(model.graph).map((v) => v.name)
  const edges = fed.find((name) => name === 'edge_index')
  if (edges) return graphOf(path, model.graph, inputs, y.shape.at(-1)!)
  const leads = fed.every((name) => inputs.get(name)![0] === 1) && y.shape[0] === 1
  const sampleOf = (dims: readonly number[]) => (leads ? dims.slice(1) : dims)
  const samples = sizeOf(y.shape) > LARGE || !leads ? 2 : SAMPLES
  const arrays: Record<string, TensorData> = {}
  for (const name of fed) {
    const rows = Array.from({ length: samples }, (_, n) => sampleFeeds(model.graph, inputs, n + 1)![name]!)
    const flat = rows.flatMap((v) => Array.from(v.numbers()))
    arrays[name] = TensorData.from(rows[0]!.dtype, [samples, ...sampleOf(inputs.get(name)!)], flat)
  }
  const targets = random(1, 'targets').fillNormal(new Float32Array(samples * sizeOf(y.shape)))
  arrays['y'] = TensorData.of('float32', [samples, sizeOf(y.shape)], targets)
  writeFileSync(path, encodeNpz(arrays))
  return { batch: samples / 2, sample: fed.map((name) => `[${sampleOf(inputs.get(name)!).join()}]`).join(' ') }
}

/** A data set of one graph, whose nodes are the samples: random edges and classes. */
function graphOf(path: string, graph: Graph, inputs: ReadonlyMap<string, readonly number[]>, classes: number) {
  const [features] = fedInputs(graph).filter((v) => v.name !== 'edge_index')
  const [nodes = 0] = inputs.get(features!.name)!
  const draw = random(1, 'graph')
  const ints = (dims: readonly number[], below: number, at: number) =>
    TensorData.from(
      'int64',
      dims,
      Array.from({ length: sizeOf(dims) }, (_, i) => draw.fork(at).int(i, below)),
    )
  const x = sampleFeeds(graph, inputs, 1)![features!.name]!
  const arrays = { x: x.toTensor(), edge_index: ints([2, 4 * nodes], nodes, 1), y: ints([nodes], classes, 2) }
  writeFileSync(path, encodeNpz(arrays))
  return { batch: 1, sample: `a graph of ${nodes} nodes` }
}
