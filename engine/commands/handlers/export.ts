import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseAnyPreprocess, sequential, type AnyPreprocess, type DataSet, type Splits } from '../../data/index.ts'
import { choosePreprocess, evaluateModel, openPredictor, PREPROCESS_KEY } from '../../evaluate/index.ts'
import { UnsupportedError } from '../../errors.ts'
import { exportPackage, packageName, type PackageOptions } from '../../export/index.ts'
import { fedInputs, probeTypes, sampleFeeds } from '../../inspect/index.ts'
import type { Model } from '../../ir/index.ts'
import { samplesFor, toHalfPrecision, type Samples } from '../../quantize/index.ts'
import type { Feeds } from '../../session/index.ts'
import { bindInputs, feedsOf } from '../../train/index.ts'
import type { ParsedInput } from '../contract/index.ts'
import { handler, type HandlerContext } from './handler.ts'
import { quantizeOn, readSource } from './quantizing.ts'
import { checkOut } from './training.ts'
import { openData } from './trainingParts.ts'
import { ENGINE_VERSION } from './version.ts'

/** Samples whose answers are shipped. */
const GOLDEN = 4
/** Training samples that tell which values are too large for half precision. */
const RANGE_SAMPLES = 64

type Input = ParsedInput<'export'>
type Found = Pick<PackageOptions, 'preprocess' | 'labels' | 'golden' | 'metrics' | 'measured' | 'quantized'> & {
  /** What half precision must not overflow on; the golden inputs without data. */
  samples?: Samples
}

export default handler<'export'>(async (input, ctx) => {
  checkOut(input.out, input.overwrite)
  const model = await readSource(input.model, (text) => ctx.emit('message', { level: 'warning', text }))
  const found = input.data === undefined ? await withoutData(input, model) : await withData(input, input.data, model, ctx)
  const { inputs } = found.golden
  const half = input.variants.includes('fp16')
    ? (
        await toHalfPrecision(model, {
          samples:
            found.samples ??
            async function* () {
              yield await Promise.resolve(inputs)
            },
          threads: input.threads,
          signal: ctx.signal,
        })
      ).model
    : undefined
  ctx.emit('stage', { name: 'write' })
  const made = await exportPackage(model, input.out, {
    ...found,
    half,
    name: packageName(input.model),
    engineVersion: ENGINE_VERSION,
    source: createHash('sha256').update(readFileSync(input.model)).digest('hex'),
    variants: input.variants,
    overwrite: input.overwrite,
  })
  return { ...made, out: input.out }
})

/** Preprocessing and labels from the file and from what lies beside it; random golden inputs. */
async function withoutData(input: Input, model: Model): Promise<Found> {
  const beside = (name: string) => {
    const path = join(dirname(input.model), name)
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined
  }
  const stored = model.metadata.get(PREPROCESS_KEY) ?? beside('preprocess.json')
  const labels = beside('labels.txt')?.trimEnd().split('\n')
  const inputs = sampleFeeds(model.graph, (await probeTypes(model)).inputs, input.seed)
  if (!inputs)
    throw new UnsupportedError('no inputs can be made up for this model, so the files could not be checked', {
      where: input.model,
      hint: 'give --data',
    })
  return {
    preprocess: stored === undefined ? undefined : parseAnyPreprocess(JSON.parse(stored)),
    labels,
    golden: { inputs, origin: 'random inputs' },
  }
}

async function withData(input: Input, data: string, model: Model, ctx: HandlerContext<'export'>): Promise<Found> {
  const warn = (text: string) => ctx.emit('message', { level: 'warning', text })
  const progress = (done: number, total: number) => ctx.emit('progress', { done, total, unit: 'samples' })
  const { dataset, splits, labelled } = await openData({ ...input, data })
  const session = { threads: input.threads, provider: input.provider }
  const float = await openPredictor(model, { ...session, name: input.model })
  try {
    const { preprocess, text } = await choosePreprocess(float, dataset, {
      wanted: input.preprocess,
      indices: splits.train,
      labels: labelled,
      seed: input.seed,
    })
    ctx.emit('message', { level: 'info', text })
    const quantized = input.variants.includes('int8')
      ? (
          await quantizeOn({
            ...input,
            model,
            dataset,
            splits,
            preprocess,
            scheme: 'int8',
            calibration: 'minmax',
            granularity: 'per-channel',
            signal: ctx.signal,
            warn,
            progress,
          })
        ).model
      : undefined
    const judge = { dataset, indices: splits.test, preprocess, signal: ctx.signal, onProgress: progress }
    const metrics: Record<string, NonNullable<Found['metrics']>[string]> = {}
    if (quantized) {
      const integer = await openPredictor(quantized, { ...session, name: 'model_int8.onnx' })
      const both = await evaluateModel({ ...judge, model: integer, against: float }).finally(() => integer.release())
      metrics.fp32 = both.against!
      metrics.int8 = both.metrics
    } else metrics.fp32 = (await evaluateModel({ ...judge, model: float })).metrics
    return {
      preprocess,
      labels: dataset.classes,
      quantized,
      samples: samplesFor(model, { dataset, indices: splits.train.slice(0, RANGE_SAMPLES), preprocess }),
      golden: { inputs: await goldenInputs(model, dataset, splits, preprocess), origin: 'samples of the test share' },
      metrics,
      measured: `On ${splits.test.length} samples of the test share of ${dataset.name} (${dataset.format}), with ONNX Runtime on ${input.provider}; agreement is with the float model.`,
    }
  } finally {
    await float.release()
  }
}

/** The first samples of the test share as one batch of the size that the model takes. */
async function goldenInputs(model: Model, dataset: DataSet, splits: Splits, preprocess: AnyPreprocess | undefined): Promise<Feeds> {
  const [port] = fedInputs(model.graph)
  const type = port!.type?.kind === 'tensor' ? port!.type : undefined
  const batch = typeof type?.shape?.[0] === 'number' ? type.shape[0] : GOLDEN
  const indices = Int32Array.from({ length: batch }, (_, i) => splits.test[i % splits.test.length]!)
  for await (const { inputs } of sequential({ dataset, indices, preprocess, batch }))
    return feedsOf(bindInputs(model.graph, inputs), inputs)
  return {}
}
