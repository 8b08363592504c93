import type { z } from 'zod'

/** Inputs that a metric may read. Rows are [samples, classes], row-major; logits may also be log-probabilities. */
export interface MetricInputs {
  logits: Float32Array
  label: Int32Array
  teacherLogits: Float32Array
  /** Numbers to predict, [samples, classes]; `logits` are then the predictions. */
  target: Float32Array
  /** Class of each pixel, where a row is one. */
  pixelLabel: Int32Array
}
export type MetricInput = keyof MetricInputs

/** A batch of what is known; `classes` is the width of a row. */
export type MetricBatch = { classes: number } & Partial<MetricInputs>

export interface MetricValue {
  value: number
  /** 95 % interval; absent where it cannot be told. */
  ci95?: [low: number, high: number]
}

/** An example is a test: `value` and `ci95` come from the formula, by hand, never from a run. */
export interface MetricExample {
  batch: { logits?: number[][]; label?: number[]; teacherLogits?: number[][]; target?: number[][]; pixelLabel?: number[] }
  options?: Record<string, unknown>
  value: number
}

export interface MetricDefinition<Reads extends MetricInput = MetricInput, Options extends z.ZodType = z.ZodType, State = unknown> {
  id: string
  title: string
  unit: 'ratio' | 'nats' | 'squared-logits' | 'target' | 'squared-target'
  better: 'higher' | 'lower'
  reads: readonly Reads[]
  options: Options
  start(options: z.output<Options>): State
  /** Adds a batch that has everything in `reads`; changes the state and nothing else. */
  add(state: State, batch: { classes: number } & Pick<MetricInputs, Reads>): void
  /** The result over everything added; undefined when nothing was. */
  finish(state: State): MetricValue | undefined
  examples: readonly MetricExample[]
}

export const defineMetric = <Reads extends MetricInput, Options extends z.ZodType, State>(
  definition: MetricDefinition<Reads, Options, State>,
): MetricDefinition<Reads, Options, State> => definition
