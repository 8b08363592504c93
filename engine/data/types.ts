/** What the folder speaks: data sets, raw batches, preprocessed batches. */
import type { Random } from '../random.ts'

export type SampleDType = 'uint8' | 'float32' | 'int64' | 'mixed'

/** What a sample is before it is prepared. `graph`: a sample is a node, and a model is always given all of them. */
export type SampleKind = 'image' | 'tensor' | 'audio' | 'table' | 'tokens' | 'graph'

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

/** One recording: mono, samples in [-1, 1]. */
export interface Recording {
  samples: Float32Array
  /** Samples a second. */
  rate: number
  /** File it came from, for messages. */
  name: string
}

export interface AudioBatch extends Labelled {
  kind: 'audio'
  count: number
  recordings: Recording[]
}

/** Cells of a table, column by column: numbers, or text for categories. */
export interface TableBatch extends Labelled {
  kind: 'table'
  count: number
  columns: readonly (Float64Array | readonly string[])[]
}

/** Token numbers of texts without the special ones around them. */
export interface TokenBatch extends Labelled {
  kind: 'tokens'
  count: number
  ids: readonly (readonly number[])[]
}

export type RawBatch = ImageBatch | MixedImageBatch | TensorBatch | AudioBatch | TableBatch | TokenBatch

/** One input of a model, as data: its name and the shape of one sample. */
export interface InputSpec {
  name: string
  shape: readonly number[]
  /** Where they are the same in every batch. */
  values?: Float32Array
}

/** An input that is the same for all samples: the edges of a graph, a sample rate. `shape` is whole, without a batch. */
export interface SharedInput extends InputSpec {
  values: Float32Array
}

/** The part of a picture of some size that a model sees. */
export type MapBox = (height: number, width: number) => { top: number; left: number; height: number; width: number }

/** Numbers to predict, one row of `names.length` for each sample. */
export interface ValueTarget {
  kind: 'values'
  names: readonly string[]
  /** [length, names]. */
  values: Float32Array
}

/** A class for each pixel. */
export interface MapTarget {
  kind: 'map'
  /**
   * Class numbers [count, height, width]: the part that `box` names of each map, brought to that size by the nearest pixel; -1 where none
   * is given. Throws DataError.
   */
  read(indices: Int32Array, size: readonly [height: number, width: number], box: MapBox): Promise<Int16Array>
}

/** What a model of a table needs to know about a column. */
export interface ColumnInfo {
  name: string
  type: 'number' | 'category'
}

/** Token numbers around and after a text. */
export interface TokenInfo {
  /** SHA-256 (hex) of the tokenizer file. */
  tokenizer: string
  vocabulary: number
  /** Special tokens before and after a text. */
  before: readonly number[]
  after: readonly number[]
  pad: number
}

/** Samples as stored, in a fixed order, read by index. */
export interface DataSet {
  readonly name: string
  /** Id of the reader. */
  readonly format: string
  readonly kind: SampleKind
  readonly length: number
  /**
   * One sample as stored: [height, width, channels] for images, [samples] for recordings, [columns] for tables, [tokens] for texts, else
   * the tensor's dims. A dimension that differs between samples is 0.
   */
  readonly sample: { readonly shape: readonly number[]; readonly dtype: SampleDType }
  /** A tensor sample holds these, one after the other, in place of one array. */
  readonly parts?: readonly InputSpec[]
  /** Inputs that are the same for all samples. */
  readonly shared?: readonly SharedInput[]
  /** Columns of a table that are inputs. */
  readonly columns?: readonly ColumnInfo[]
  /** Of texts. */
  readonly tokens?: TokenInfo
  /** Samples a second that most recordings have. */
  readonly rate?: number
  readonly labelled: boolean
  /** What is to be predicted where it is no class of a sample; absent when unlabelled. */
  readonly target?: ValueTarget | MapTarget
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
  /**
   * What is to be predicted, absent without labels: [samples, classes] a distribution (one-hot or mixed; a row of zeros does not count),
   * [samples, names] numbers, or [samples, height, width] class numbers of pixels.
   */
  y?: Float32Array
}

/** One input of a batch. Integers and booleans are handed over as numbers; whoever feeds a model converts them. */
export interface BatchInput {
  name: string
  /** Of the whole batch. */
  shape: readonly number[]
  values: Float32Array
}

/** A model-ready batch. `x` and `y` are those of the first view. */
export interface Batch extends BatchView {
  /** [samples, ...] as the model wants it. */
  shape: number[]
  /** All inputs; the first is `x`. */
  inputs: readonly BatchInput[]
  /** Class of each sample; absent without labels. */
  label?: Int32Array
  /** Index of each sample in the data set. */
  index: Int32Array
  /** The samples of the batch that were asked for, where it holds others beside them. */
  rows?: Int32Array
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
  /** Names and shapes of all inputs of one batch; the first is that of `x`. */
  readonly inputs: readonly InputSpec[]
  /** Shape of `y`; absent without labels. */
  readonly target?: readonly number[]
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
  kind: SampleKind
  /** What is predicted: a class, numbers of these names, or a class for each pixel. */
  target: 'none' | 'class' | 'values' | 'map'
  targetNames?: string[]
  /** How samples become inputs unless something else is asked for, and the shape of one sample's inputs then. */
  preprocess?: Record<string, unknown>
  inputs?: { name: string; shape: number[] }[]
  splits: Record<string, number>
  warnings: string[]
}
