import type { TensorData } from '../ir/index.ts'
import type { Progress } from './method.ts'
import type { Rows } from './reference.ts'

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
  /**
   * A network with its layers in integers, weights and values of 8 bits with ranges from 128 training samples, but for those of `half`, which stay
   * in half precision with what lies between.
   */
  integers(model: LabModel, data: LabData, half?: readonly string[]): Promise<LabIntegers>
  /** A method's loss on given numbers, and its gradient. */
  formula(key: string, at: FormulaPoint): Promise<FormulaValue>
  /** What a method's network takes in place of a parameter, and gradients for a given one of it. */
  parameter(key: string, at: ParameterPoint): Promise<ParameterValue>
  /** A trained network's parameters by name, as its file has them. */
  weights(model: LabModel): ReadonlyMap<string, TensorData>
  /** A parameter after a method's own optimizer rule took one step for each set of gradients. */
  update(key: string, at: UpdatePoint): Promise<number[]>
}

/** Numbers to put into a method's loss. */
export interface FormulaPoint {
  /** Logits, a row for each sample. */
  student: Rows
  teacher: Rows
  labels?: readonly number[]
  options?: Record<string, unknown>
  stage?: string
  progress?: Progress
  features?: readonly Record<'student' | 'teacher', { shape: readonly number[]; values: readonly number[] }>[]
  /** Values of the method's own trainable tensors, by name. */
  params?: Readonly<Record<string, readonly number[]>>
}

export interface FormulaValue {
  /** Terms times their weights, and the sum of them. */
  terms: Readonly<Record<string, number>>
  total: number
  /** Of the total with respect to the student's logits, row by row; zeros where it does not depend on them. */
  gradient: readonly number[]
}

/** A parameter to put into a method's `parameter`. */
export interface ParameterPoint {
  shape: readonly number[]
  values: readonly number[]
  /** Gradient that arrives at what the network takes. */
  gradient: readonly number[]
  options?: Record<string, unknown>
  /** Values of trainable tensors of the method's own, by name; their first values where left out. */
  params?: Readonly<Record<string, readonly number[]>>
}

export interface ParameterValue {
  values: readonly number[]
  /** With respect to the parameter; zeros where nothing depends on it. */
  gradient: readonly number[]
  /** With respect to the method's own tensors. */
  params: Readonly<Record<string, readonly number[]>>
}

export interface UpdatePoint {
  start: readonly number[]
  /** For each step, a gradient for each group that reaches the parameter. */
  gradients: readonly Readonly<Record<string, readonly number[]>>[]
  lr: number
  momentum: number
  weightDecay: number
  options?: Record<string, unknown>
}

export type LabDataSpec =
  /** `builtin:` data set, see `data inspect builtin:glyphs`. With `known`, classes from that number on are clutter: unlabelled, never tested. */
  | { builtin: string; known?: number }
  /** Rows of numbers; the last `test` rows are the test part. */
  | { values: Float32Array; width: number; labels: Int32Array; classes: number; test: number }
  /** Pictures [channels, height, width] and a picture of one channel to make of each, row after row. */
  | { values: Float32Array; shape: readonly [number, number, number]; target: Float32Array; test: number }

export interface LabData {
  readonly classes: number
  readonly train: Int32Array
  readonly test: Int32Array
  /** Empty where a picture is to be made. */
  readonly labels: Int32Array
}

export interface LabModel {
  readonly parameters: number
  /** Samples it learned from. */
  readonly samples: number
  /** Mean of each loss term over the last tenth of the steps. */
  readonly terms: Readonly<Record<string, number>>
  /** Each loss term at the first step of each stage (`stage/term`), and its mean over the last twentieth of the stage (`stage/term/end`). */
  readonly stageTerms: Readonly<Record<string, number>>
}

export interface LabIntegers extends LabModel {
  /** Layers in integers, by name, from input to output. */
  readonly layers: readonly string[]
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
  /** `off`: the trainer never sees them. */
  labels?: 'on' | 'off'
  /** Samples to train on; the whole training part when absent. */
  indices?: Int32Array
  /** Teacher outputs computed once on the unaugmented samples and used for every view of them. */
  teacherView?: 'same' | 'clean'
  /** A trained network of the same template, whose weights are the first ones. */
  start?: LabModel
  /** Student value = teacher value for feature losses, by tap number (see docs); automatic when absent. */
  pairs?: readonly string[]
  seed?: number
}

/** In percent. */
export interface LabScore {
  top1: number
  agreement?: number
}
