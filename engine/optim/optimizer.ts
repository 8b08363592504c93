import type { z } from 'zod'
import { OptionError } from '../errors.ts'
import type { Tensor } from '../ops/index.ts'

/** What one parameter's update is made of. All tensors of `p`'s shape but the scalars. */
export interface UpdateContext<O> {
  readonly p: Tensor
  readonly g: Tensor
  /** State by slot name; all slots start as zeros. */
  readonly slots: Readonly<Record<string, Tensor>>
  /** Learning rate of this step and parameter: a scalar. */
  readonly lr: Tensor
  /** The values of `hostScalars`, fed anew each step: scalars. */
  readonly scalars: Readonly<Record<string, Tensor>>
  readonly o: O
  /** Whether weight decay applies to this parameter. */
  readonly decay: boolean
}

export interface UpdateResult {
  readonly p: Tensor
  readonly slots: Readonly<Record<string, Tensor>>
}

/** The same rule for the native addon, which updates in place: its name there and its constants. Slots are `m` and `v`, in their order. */
export interface UpdateKernel {
  kind: 'sgd' | 'adam' | 'adamw' | 'lion'
  /** The momentum of sgd. */
  beta1: number
  beta2?: number
  epsilon?: number
  nesterov?: boolean
}

/** One optimizer. `update` builds a graph; nothing of it runs on the host but `hostScalars`. */
export interface Optimizer<O = unknown> {
  readonly id: string
  readonly title: string
  readonly paper: string
  readonly options: z.ZodType<O>
  /** State tensors of each parameter. */
  readonly slots: readonly string[]
  /** Numbers that change with the step (bias corrections), in double. `step` counts updates from 0. */
  hostScalars?(step: number, o: O): Record<string, number>
  update(ctx: UpdateContext<O>): UpdateResult
  /** Left out where the native addon does not know the rule. */
  kernel?(o: O): UpdateKernel
}

/** Declares an optimizer; the options' type flows from the schema. */
export const defineOptimizer = <O>(optimizer: Optimizer<O>): Optimizer => optimizer

/** Options with defaults filled in. Errors: OptionError that names the field. */
export function parseOptions<O>(of: { readonly id: string; readonly options: z.ZodType<O> }, given: unknown = {}): O {
  const parsed = of.options.safeParse(given)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new OptionError(issue?.message ?? 'invalid options', { where: [of.id, ...(issue?.path ?? [])].join('.') })
}

/** Normalisation scales, biases and other vectors are spared from weight decay; kernels and matrices are not. */
export const decaysByDefault = (shape: readonly number[]): boolean => shape.length > 1
