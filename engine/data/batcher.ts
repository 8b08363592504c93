import { DataError, OptionError } from '../errors.ts'
import { random } from '../random.ts'
import { inputShape, normalisePixels, type Preprocess } from './preprocess.ts'
import { sampleCache, type SampleCache } from './sampleCache.ts'
import type { Augment, AugmentBatch, Batch, Batcher, BatchView, DataSet } from './types.ts'

export interface SamplesOptions {
  dataset: DataSet
  /** Samples to draw from. */
  indices: Int32Array
  batch: number
  /** How images become input values; left out for tensors, which pass as they are. */
  preprocess?: Preprocess | undefined
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

/**
 * Batches for training, shuffled anew each epoch. `at(step)` depends on nothing but the options and the step.
 * @throws OptionError when there are fewer samples than one batch needs; DataError from reading samples.
 */
export function makeBatcher(options: BatcherOptions): Batcher {
  const { indices, batch, seed, augment = [], views = 1, dropLast = true } = options
  const stepsPerEpoch = dropLast ? Math.floor(indices.length / batch) : Math.ceil(indices.length / batch)
  if (!(batch >= 1) || stepsPerEpoch < 1) {
    throw new OptionError(`expected a batch of at least 1 and at most the ${indices.length} training samples, found ${batch}`, {
      where: 'batch',
    })
  }
  if (augment.length > 0 && options.dataset.kind !== 'image') {
    throw new OptionError(`expected no augmentation for tensors, found ${augment.map((a) => a.id).join(', ')}`, {
      where: 'augment',
    })
  }
  const cache = sampleCache(options.dataset, options.preprocess, options.cacheBytes)
  const shuffle = random(seed, 'shuffle')
  const noise = random(seed, 'augment')
  let order: { epoch: number; of: Int32Array } | undefined

  return {
    batch,
    stepsPerEpoch,
    shape: [batch, ...sampleShape(options, cache)],
    fixedViews: augment.length === 0,
    async at(step) {
      const epoch = Math.floor(step / stepsPerEpoch)
      if (order?.epoch !== epoch) order = { epoch, of: shuffle.fork(epoch).permutation(indices.length) }
      const start = (step % stepsPerEpoch) * batch
      const index = order.of.slice(start, Math.min(start + batch, indices.length)).map((at) => indices[at]!)
      const gathered = cache.gather(index)
      const samples = gathered instanceof Promise ? await gathered : gathered
      const change = (view: number, base: AugmentBatch) =>
        augment.reduce((current, a, place) => {
          // The place too, so that the same augmentation twice draws twice.
          const stream = noise.fork(a.id, place, epoch, view)
          const each = stream.fork('sample')
          return a.apply(current, { sample: (n) => each.fork(index[n]!), batch: stream.fork('batch', step) })
        }, base)
      return toBatch(options, cache, index, samples, views, augment.length > 0 ? change : undefined)
    },
  }
}

/**
 * All samples once, in the order given, for evaluation: no augmentation, the last batch has its true size.
 */
export async function* sequential(options: SamplesOptions): AsyncGenerator<Batch> {
  const { indices, batch } = options
  if (!(batch >= 1)) throw new OptionError(`expected a batch of at least 1, found ${batch}`, { where: 'batch' })
  const cache = sampleCache(options.dataset, options.preprocess, options.cacheBytes ?? 0)
  for (let start = 0; start < indices.length; start += batch) {
    const index = indices.slice(start, start + batch)
    yield toBatch(options, cache, index, await cache.gather(index), 1)
  }
}

const sampleShape = ({ preprocess }: SamplesOptions, cache: SampleCache) => (preprocess ? inputShape(preprocess) : cache.shape)

function toBatch(
  options: SamplesOptions,
  cache: SampleCache,
  index: Int32Array,
  samples: Uint8Array | Float32Array,
  count: number,
  augment?: (view: number, batch: AugmentBatch) => AugmentBatch,
): Batch {
  const { dataset, preprocess, classes = dataset.classes?.length ?? 0 } = options
  const label = dataset.labels && index.map((i) => dataset.labels![i]!)
  const target = label && oneHot(label, classes, dataset.name)
  const finish = (pixels: Uint8Array | Float32Array, y: Float32Array | undefined): BatchView => {
    const x = preprocess ? normalisePixels(pixels, index.length, preprocess) : (pixels as Float32Array)
    return y ? { x, y } : { x }
  }
  const [height = 1, width = 1, channels = 1] = cache.shape
  const views = Array.from({ length: count }, (_, view) => {
    if (!augment || !preprocess) return finish(samples, target)
    const start: AugmentBatch = {
      count: index.length,
      height,
      width,
      channels,
      pixels: Float32Array.from(samples),
      ...(target ? { target } : {}),
    }
    const done = augment(view, start)
    return finish(done.pixels, done.target)
  })
  return { ...views[0]!, shape: [index.length, ...sampleShape(options, cache)], ...(label ? { label } : {}), index, views }
}

function oneHot(label: Int32Array, classes: number, where: string): Float32Array {
  const y = new Float32Array(label.length * classes)
  for (const [n, k] of label.entries()) {
    if (k >= classes)
      throw new DataError(`expected class numbers below ${classes}, the model's number of classes, found ${k}`, { where })
    y[n * classes + k] = 1
  }
  return y
}
