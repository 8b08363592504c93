import { copyFileSync, mkdirSync, mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { handlers, inProcess, makeClient, makeDispatcher } from '../../engine/commands/index.ts'
import { sharedData } from '../../tests/shared.ts'

export const title = 'Every number format on real models: accuracy, bytes, latency'
export const help =
  '--pair MODEL,DATA (repeatable; default: the MNIST teacher) --only int8,fp16 --repeats N --calibration-samples N --threads N'

interface Scheme {
  name: string
  input: Record<string, unknown>
}

const SCHEMES: readonly Scheme[] = [
  { name: 'int8', input: { scheme: 'int8' } },
  { name: 'int8 per tensor', input: { scheme: 'int8', granularity: 'per-tensor' } },
  { name: 'int8 per tensor, equalized', input: { scheme: 'int8', granularity: 'per-tensor', equalize: true } },
  { name: 'int8 entropy', input: { scheme: 'int8', calibration: 'entropy' } },
  { name: 'int8 mse', input: { scheme: 'int8', calibration: 'mse' } },
  { name: 'uint8', input: { scheme: 'uint8' } },
  { name: 'int8 dynamic', input: { scheme: 'int8-dynamic' } },
  { name: 'int8 weights', input: { scheme: 'int8-weights' } },
  ...['rtn', 'hqq', 'awq', 'gptq'].map((rounding) => ({
    name: `int4 weights, ${rounding}`,
    input: { scheme: 'int4-weights', rounding },
  })),
  { name: 'fp16', input: { scheme: 'fp16' } },
  { name: 'mixed', input: { scheme: 'mixed', maxDrop: 0.005 } },
]

type Interval = { value: number; low?: number; high?: number; ci95?: readonly [number, number] }
const percent = (m: Interval | undefined): string => (m ? `${(100 * m.value).toFixed(2)}` : '-')

/** Each model in each format, judged on the test share of its data, its latency measured in turn with the float model's. */
export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: {
      pair: { type: 'string', multiple: true },
      only: { type: 'string' },
      repeats: { type: 'string' },
      'calibration-samples': { type: 'string' },
      threads: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const pairs = args.pair?.map((p) => p.split(',') as [string, string]) ?? defaultPairs()
  if (!pairs.length) return { text: 'no model and data are at hand', json: { skipped: true } }
  const out = mkdtempSync(join(tmpdir(), 'stillroom-quantization-'))
  const dispatcher = makeDispatcher(handlers)
  const run = makeClient(['quantize', 'benchmark'], inProcess(dispatcher))
  const shared = { store: join(out, 'runs.db'), ...(args.threads ? { threads: Number(args.threads) } : {}) }
  const wanted = args.only?.split(',')
  const rows: Record<string, unknown>[] = []
  const lines = [
    '| model | format | top-1, % | agreement, % | KiB | float time / time, 95 % |',
    '| --- | --- | --- | --- | --- | --- |',
  ]
  for (const [model, data] of pairs) {
    const bytes = statSync(model).size
    let first = true
    for (const { name, input } of SCHEMES.filter((s) => !wanted || wanted.includes(s.name))) {
      process.stderr.write(`${basename(model)} ${name}\n`)
      const q = await run.quantize({
        model, data, ...input, ...shared, out: join(out, `${basename(model)}-${name}`.replace(/\W+/g, '-')),
        ...(args['calibration-samples'] ? { calibrationSamples: Number(args['calibration-samples']) } : {}),
      }) // prettier-ignore
      const b = await run.benchmark({ model: q.model, against: model, repeats: Number(args.repeats ?? 200), ...shared })
      const { float, quantized } = q.metrics as Record<string, Record<string, Interval>>
      if (first) lines.push(`| ${basename(model)} | float | ${percent(float!.top1)} | 100 | ${(bytes / 1024).toFixed(0)} | 1 |`)
      first = false
      const ratio = b.ratio as { median: number; ci95: readonly [number, number] } | undefined
      const speed = ratio ? `${ratio.median.toFixed(2)} [${ratio.ci95[0].toFixed(2)}, ${ratio.ci95[1].toFixed(2)}]` : '-'
      lines.push(
        `| | ${name} | ${percent(quantized!.top1)} | ${percent(quantized!.agreement)} | ${(q.bytes / 1024).toFixed(0)} | ${speed} |`,
      )
      rows.push({ model: basename(model), name, bytes: q.bytes, float, quantized, ratio })
    }
  }
  dispatcher.close()
  return { text: lines.join('\n'), json: rows }
}

/** The MNIST teacher with the images beside it, in a folder of their own. */
function defaultPairs(): [string, string][] {
  const models = sharedData('models')
  const [images, labels] = ['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz'].map(sharedData)
  if (!models || !images || !labels) return []
  const folder = join(mkdtempSync(join(tmpdir(), 'stillroom-digits-')), 'digits')
  mkdirSync(folder)
  for (const file of [images, labels]) copyFileSync(file, join(folder, basename(file)))
  return [[join(models, 'models', 'mnist-burn-cnn.onnx'), folder]]
}
