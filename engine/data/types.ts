/** What the folder speaks: data sets, raw batches, preprocessed batches. */
import type { Random } from '../random.ts'

export type SampleDType = 'uint8' | 'float32'

/** Samples [start, end) of a data set. */
export type Range = readonly [start: number, end: number]

export interface OwnSplits {
  train: Range
  test: Range
  validation?: Range
}

/** One decoded image: uint8, height x width x channels, channels innermost, 1 (gray) or 3 (RGB). */
export interface Image {
  pixels: Uint8Array
  height: number
  width: number
  channels: number
  /** File or index it came from, for messages. */
  name: string
}

/** Class numbers, absent when the set is unlabelled or its labels are off. */
interface Labelled {
  labels?: Int32Array
}

/** Images of one size. `shape` is [height, width, channels], `pixels` has count x height x width x channels bytes. */
export interface ImageBatch extends Labelled {
  kind: 'image'
  count: number
  shape: readonly [height: number, width: number, channels: number]
  pixels: Uint8Array
}

/** Images whose sizes differ. */
export interface MixedImageBatch extends Labelled {
  kind: 'images'
  count: number
  images: Image[]
}

/** Anything else: `shape` is that of one sample, `values` has count x size(shape) numbers. */
export interface TensorBatch extends Labelled {
  kind: 'tensor'
  count: number
  shape: readonly number[]
  values: Float32Array
}

export type RawBatch = ImageBatch | MixedImageBatch | TensorBatch

/** Samples as stored, in a fixed order, read by index. */
export interface DataSet {
  readonly name: string
  /** Id of the reader. */
  readonly format: string
  readonly kind: 'image' | 'tensor'
  readonly length: number
  /** One sample as stored: [height, width, channels] for images (0 for a dimension that differs between samples), else the tensor's dims. */
  readonly sample: { readonly shape: readonly number[]; readonly dtype: SampleDType }
  readonly labelled: boolean
  /** Class names, index = class number; absent when unlabelled. */
  readonly classes?: readonly string[]
  /** Class number of every sample; absent when unlabelled. */
  readonly labels?: Int32Array
  /** The set's own split, if it has one. */
  readonly splits?: OwnSplits
  /** What the reader had to guess or skip, one sentence each. */
  readonly warnings: readonly string[]
  /** SHA-256 (hex) of the samples and their order; labels are not part of it. */
  contentHash(): Promise<string>
  /** Samples in the order of `indices`. Throws DataError naming the sample that cannot be read. */
  read(indices: Int32Array): Promise<RawBatch>
}

export interface OpenOptions {
  /** `off`: labels are not read, even where they exist; everything made from the set is then the same whether they exist or not. */
  labels?: 'on' | 'off'
  /** What an unreadable image does: `error` (the default) when it is read; `skip` finds them on opening, drops and counts them. */
  corrupt?: 'error' | 'skip'
}

/** Sample indices of each part; they do not overlap. */
export interface Splits {
  train: Int32Array
  validation: Int32Array
  test: Int32Array
}

/** One model-ready view of a batch. */
export interface BatchView {
  /** Row-major, shape as in `Batch.shape`. */
  x: Float32Array
  /** [samples, classes] target distribution, one-hot or mixed; absent without labels. */
  y?: Float32Array
}

/** A model-ready batch. `x` and `y` are those of the first view. */
export interface Batch extends BatchView {
  /** [samples, ...] as the model wants it. */
  shape: number[]
  /** Class of each sample; absent without labels. */
  label?: Int32Array
  /** Index of each sample in the data set. */
  index: Int32Array
  /** All views, the first included; each was augmented on its own. */
  views: BatchView[]
}

/** Images on their way through augmentation: float32 in [0, 255], samples x height x width x channels. */
export interface AugmentBatch {
  count: number
  height: number
  width: number
  channels: number
  pixels: Float32Array
  /** [count, classes] target distribution; absent without labels. */
  target?: Float32Array
}

/** Random streams of an augmentation: one for each sample (the same whatever batch it is in) and one for the batch. */
export interface AugmentRandom {
  sample(position: number): Random
  batch: Random
}

/** An augmentation with its options filled in, as `makeBatcher` takes it. */
export interface Augment {
  id: string
  apply(batch: AugmentBatch, random: AugmentRandom): AugmentBatch
}

export interface Batcher {
  readonly batch: number
  readonly stepsPerEpoch: number
  /** Shape of one batch, [batch, ...]. */
  readonly shape: readonly number[]
  /** True when a sample looks the same each time it is seen, so that outputs of a frozen teacher can be cached by index. */
  readonly fixedViews: boolean
  /** The batch of a step; a pure function of the step (epoch = floor(step / stepsPerEpoch)). */
  at(step: number): Promise<Batch>
}

/** What `data inspect` answers. */
export interface DataSetSummary {
  format: string
  samples: number
  classes: string[]
  labelled: boolean
  sample: { shape: number[]; dtype: SampleDType }
  splits: Record<string, number>
  warnings: string[]
}
