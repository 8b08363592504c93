/**
 * What a method's check may do: small trainings on data drawn by this program. The trainer implements it, so that checks stay
 * beside their formulas without knowing how training works.
 */
export interface Lab {
  readonly seed: number
  /** Built-in or computed data with train and test parts. */
  data(spec: LabDataSpec): Promise<LabData>
  train(options: LabTraining): Promise<LabModel>
  /** Shares in percent over the test part (or the given samples). */
  evaluate(model: LabModel, data: LabData, options?: { teacher?: LabModel; part?: 'train' | 'test' }): Promise<LabScore>
  /** Logits, row by row. */
  logits(model: LabModel, data: LabData, indices: Int32Array): Promise<Float32Array>
}

export type LabDataSpec =
  /** `builtin:` data set, see `data inspect builtin:glyphs`. */
  | { builtin: string }
  /** Rows of numbers; the last `test` rows are the test part. */
  | { values: Float32Array; width: number; labels: Int32Array; classes: number; test: number }

export interface LabData {
  readonly classes: number
  readonly train: Int32Array
  readonly test: Int32Array
  readonly labels: Int32Array
}

export interface LabModel {
  readonly parameters: number
  /** Mean of each loss term over the last tenth of the steps. */
  readonly terms: Readonly<Record<string, number>>
  /** Mean of each loss term over the first twentieth of the steps of each stage (`stage/term`), and over its last twentieth (`stage/term/end`). */
  readonly stageTerms: Readonly<Record<string, number>>
}

export interface LabTraining {
  data: LabData
  /** Template, e.g. `small-cnn`, `mlp:16,16`. */
  student: string
  teacher?: LabModel
  /** Catalogue methods; none: cross-entropy on the labels. */
  methods?: readonly { key: string; options?: Record<string, unknown> }[]
  steps: number
  batch?: number
  lr?: number
  optimizer?: 'sgd' | 'adam' | 'adamw'
  momentum?: number
  schedule?: string
  augment?: readonly string[]
  labels?: 'on' | 'off'
  /** Samples to train on; the whole training part when absent. */
  indices?: Int32Array
  /** Teacher outputs computed once on the unaugmented samples and used for every view of them. */
  teacherView?: 'same' | 'clean'
  /** Student value = teacher value for feature losses, by tap number (see docs); automatic when absent. */
  pairs?: readonly string[]
  seed?: number
}

/** In percent. */
export interface LabScore {
  top1: number
  agreement?: number
}
