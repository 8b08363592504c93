import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { readSource } from '../../engine/commands/handlers/quantizing.ts'
import { handlers, inProcess, makeClient, makeDispatcher } from '../../engine/commands/index.ts'
import { makeSplits, openDataSet } from '../../engine/data/index.ts'
import { choosePreprocess, evaluateModel, openPredictor } from '../../engine/evaluate/index.ts'
import { prepareQat, samplesFor } from '../../engine/quantize/index.ts'
import { random } from '../../engine/random.ts'

export const title = 'Training as integers: how much of what rounding costs comes back'
export const help = '--pair MODEL,DATA --bits 4 --epochs 2 --only lsq,ste,pact --calibration-samples 256 --threads N'

/** What training must bring back of a loss above `LEAST` points. */
const SHARE = 0.8
const LEAST = 2

/** A float model, the same rounded after training (ranges of least squared error), and trained as integers, each on the test share. */
export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: {
      pair: { type: 'string' },
      bits: { type: 'string', default: '4' },
      epochs: { type: 'string', default: '2' },
      only: { type: 'string', default: 'lsq,ste,pact' },
      'calibration-samples': { type: 'string', default: '256' },
      threads: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  if (!args.pair) return { text: 'say which model and data: --pair MODEL,DATA', json: { skipped: true } }
  const [model, data] = args.pair.split(',') as [string, string]
  const [bits, samples] = [Number(args.bits), Number(args['calibration-samples'])]
  const threads = args.threads ? { threads: Number(args.threads) } : {}
  const rounded = await afterwards(model, data, bits, samples, threads)
  const store = join(mkdtempSync(join(tmpdir(), 'stillroom-qat-')), 'runs.db')
  const dispatcher = makeDispatcher(handlers)
  const run = makeClient(['quantize'], inProcess(dispatcher))
  const rows: { how: string; top1: number; recovered: number; bytes?: number }[] = []
  const lines = [
    `| ${basename(model)}, ${bits} bits | top-1, % | of the loss recovered, % | KiB |`,
    '| --- | --- | --- | --- |',
    `| float | ${(100 * rounded.float).toFixed(2)} | | |`,
    `| rounded afterwards | ${(100 * rounded.quantized).toFixed(2)} | 0 | |`,
  ]
  const loss = rounded.float - rounded.quantized
  for (const qat of args.only.split(',') as ('lsq' | 'ste' | 'pact')[]) {
    process.stderr.write(`${qat}\n`)
    const shared = { model, data, store, ...threads, calibrationSamples: samples, epochs: Number(args.epochs) }
    const q = await run.quantize({ ...shared, qat, qatBits: bits })
    const top1 = (q.metrics.quantized.top1 as { value: number }).value
    const recovered = (top1 - rounded.quantized) / loss
    rows.push({ how: qat, top1, recovered, bytes: q.bytes })
    lines.push(`| ${qat} | ${(100 * top1).toFixed(2)} | ${(100 * recovered).toFixed(0)} | ${(q.bytes / 1024).toFixed(0)} |`)
  }
  dispatcher.close()
  const best = Math.max(...rows.map((r) => r.recovered))
  lines.push('', `Rounding costs ${(100 * loss).toFixed(2)} points.`)
  return { text: lines.join('\n'), json: { ...rounded, rows }, missed: 100 * loss > LEAST && best < SHARE }
}

/** Accuracy of the float model and of its rounded form without any training. */
async function afterwards(path: string, data: string, bits: number, samples: number, threads: { threads?: number }) {
  const source = await readSource(path, () => {})
  const dataset = await openDataSet(data, { labels: 'on' })
  const splits = makeSplits(dataset, { seed: 0, share: 0.8 })
  const float = await openPredictor(path, threads)
  const { preprocess } = await choosePreprocess(float, dataset, { wanted: 'auto', indices: splits.train, labels: true, seed: 0 })
  const order = random(0, 'calibration').permutation(splits.train.length)
  const indices = order.slice(0, samples).map((at) => splits.train[at]!)
  const qat = await prepareQat(source, {
    estimator: 'lsq', bits, calibration: bits < 8 ? 'mse' : 'minmax', granularity: 'per-channel', reduceRange: false,
    freezeAfter: 0, relative: false, clipDecay: 0, samples: samplesFor(source, { dataset, indices, preprocess }), ...threads,
  }) // prettier-ignore
  const quantized = await openPredictor(qat.rounding.realize(new Map()), threads)
  const judged = await evaluateModel({
    model: quantized,
    against: float,
    dataset,
    indices: splits.test,
    preprocess,
    metrics: ['top1'],
  })
  await Promise.all([float.release(), quantized.release()])
  return { float: judged.against!.top1!.value, quantized: judged.metrics.top1!.value }
}
