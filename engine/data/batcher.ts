import { OptionError } from '../errors.ts'
import { random } from '../random.ts'
import type { FrontEnd } from './front/frontEnd.ts'
import { batchInputs, frontEnd, type AnyPreprocess } from './front.ts'
import { sampleCache, type SampleCache } from './sampleCache.ts'
import { targetOf, type TargetSource } from './targets.ts'
import type { Augment, AugmentBatch, Batch, Batcher, BatchInput, BatchView, DataSet } from './types.ts'

export interface SamplesOptions {
  dataset: DataSet
  /** Samples to draw from. */
  indices: Int32Array
  batch: number
  /** How samples become input values; left out for tensors, which pass as they are. */
  preprocess?: AnyPreprocess | undefined
  /** Number of classes of the target distribution. Default: the set's own. */
  classes?: number | undefined
  /** Memory for decoded samples, in bytes. */
  cacheBytes?: number | undefined
}

export interface BatcherOptions extends SamplesOptions {
  seed: number
  augment?: readonly Augment[] | undefined
  /** Views of each sample, augmented independently. */
  views?: number | undefined
  /** The last, shorter batch of an epoch is dropped (the default, as a training step has one shape), or kept. */
  dropLast?: boolean | undefined
}

/** Where the parts of a batch come from. */
interface Source {
  set: DataSet
  front: FrontEnd
  cache: SampleCache
  target: TargetSource | undefined
}

function sourceOf(options: SamplesOptions, cacheBytes = options.cacheBytes): Source {
  const { dataset, preprocess } = options
  const front = frontEnd(dataset, preprocess)
  const target = targetOf(dataset, front, options.classes)
  return { set: dataset, front, cache: sampleCache(dataset, front, cacheBytes), target }
}

/**
 * Batches for training, shuffled anew each epoch. `at(step)` depends on nothing but the options and the step.
 * A graph is one batch, whole: nodes outside `indices` have a target of zeros, which does not count.
 * @throws OptionError when there are fewer samples than one batch needs; DataError from reading samples.
 */
export function makeBatcher(options: BatcherOptions): Batcher {
  const { dataset, indices, seed, augment = [], views = 1, dropLast = true } = options
  const graph = dataset.kind === 'graph'
  const batch = graph ? dataset.length : options.batch
  const stepsPerEpoch = graph ? 1 : dropLast ? Math.floor(indices.length / batch) : Math.ceil(indices.length / batch)
  if (!(batch >= 1) || stepsPerEpoch < 1) {
    throw new OptionError(`expected a batch of at least 1 and at most the ${indices.length} training samples, found ${batch}`, {
      where: 'batch',
    })
  }
  if (augment.length > 0 && (dataset.kind !== 'image' || dataset.target)) {
    const what = dataset.target ? 'images that have more than a class as target' : `samples of kind '${dataset.kind}'`
    throw new OptionError(`expected no augmentation for ${what}, found ${augment.map((a) => a.id).join(', ')}`, {
      where: 'augment',
    })
  }
  const source = sourceOf(options)
  const shuffle = random(seed, 'shuffle')
  const noise = random(seed, 'augment')
  let order: { epoch: number; of: Int32Array } | undefined
  const inputs = batchInputs(dataset, options.preprocess, batch)

  const common = {
    batch,
    stepsPerEpoch,
    shape: inputs[0]!.shape,
    inputs,
    ...(source.target ? { target: [batch, ...source.target.shape] } : {}),
  }
  if (graph) {
    const all = Int32Array.from({ length: batch }, (_, i) => i)
    let made: Promise<Batch> | undefined
    return { ...common, fixedViews: true, at: () => (made ??= wholeBatch(source, all, indices)) }
  }
  return {
    ...common,
    fixedViews: augment.length === 0,
    async at(step) {
      const epoch = Math.floor(step / stepsPerEpoch)
      if (order?.epoch !== epoch) order = { epoch, of: shuffle.fork(epoch).permutation(indices.length) }
      const start = (step % stepsPerEpoch) * batch
      const index = order.of.slice(start, Math.min(start + batch, indices.length)).map((at) => indices[at]!)
      const gathered = source.cache.gather(index)
      const samples = gathered instanceof Promise ? await gathered : gathered
      const change = (view: number, base: AugmentBatch) =>
        augment.reduce((current, a, place) => {
          // The place too, so that the same augmentation twice draws twice.
          const stream = noise.fork(a.id, place, epoch, view)
          const each = stream.fork('sample')
          return a.apply(current, { sample: (n) => each.fork(index[n]!), batch: stream.fork('batch', step) })
        }, base)
      return toBatch(source, index, samples, views, augment.length > 0 ? change : undefined)
    },
  }
}

/** All nodes; the targets of those outside `counted` are zero. */
async function wholeBatch(source: Source, all: Int32Array, counted: Int32Array): Promise<Batch> {
  const batch = await toBatch(source, all, await source.cache.gather(all), 1)
  const { y } = batch
  if (!y) return batch
  const width = y.length / all.length
  const masked = new Float32Array(y.length)
  for (const n of counted) masked.set(y.subarray(n * width, (n + 1) * width), n * width)
  return { ...batch, y: masked, views: [{ x: batch.x, y: masked }] }
}

/**
 * All samples once, in the order given, for evaluation: no augmentation, the last batch has its true size. A graph is one batch with all
 * its nodes, of which `rows` are the ones asked for.
 */
export async function* sequential(options: SamplesOptions): AsyncGenerator<Batch> {
  const { dataset, indices } = options
  if (!(options.batch >= 1)) throw new OptionError(`expected a batch of at least 1, found ${options.batch}`, { where: 'batch' })
  const source = sourceOf(options, options.cacheBytes ?? 0)
  if (dataset.kind === 'graph') {
    const all = Int32Array.from({ length: dataset.length }, (_, i) => i)
    yield { ...(await toBatch(source, all, await source.cache.gather(all), 1)), rows: indices }
    return
  }
  for (let start = 0; start < indices.length; start += options.batch) {
    const index = indices.slice(start, start + options.batch)
    yield await toBatch(source, index, await source.cache.gather(index), 1)
  }
}

async function toBatch(
  { set, front, cache, target }: Source,
  index: Int32Array,
  samples: Uint8Array | Float32Array,
  count: number,
  augment?: (view: number, batch: AugmentBatch) => AugmentBatch,
): Promise<Batch> {
  const label = set.labels && index.map((i) => set.labels![i]!)
  const y = target && (await target.at(index))
  const plain = augment ? undefined : front.second(samples, index.length)
  const [height = 1, width = 1, channels = 1] = cache.shape
  const views = Array.from({ length: count }, (_, view): BatchView => {
    if (!augment) return y ? { x: plain![0]!, y } : { x: plain![0]! }
    const done = augment(view, {
      count: index.length,
      height,
      width,
      channels,
      pixels: Float32Array.from(samples),
      ...(y ? { target: y } : {}),
    })
    const x = front.second(done.pixels, index.length)[0]!
    return done.target ? { x, y: done.target } : { x }
  })
  const inputs = front.inputs.map(({ name, shape }, i): BatchInput => {
    return { name, shape: [index.length, ...shape], values: i === 0 ? views[0]!.x : plain![i]! }
  })
  const shape = [...inputs[0]!.shape]
  return { ...views[0]!, shape, inputs: [...inputs, ...(set.shared ?? [])], ...(label ? { label } : {}), index, views }
}
