import type { z } from 'zod'
import type { TensorData } from '../ir/index.ts'
import type { Builder, Tensor } from '../ops/index.ts'
import type { Lab } from './lab.ts'

/** A network inside the step graph. */
export interface Network {
  /** [N, classes], before any softmax. */
  logits: Tensor
  /** Paired feature values, in the order of the pairs; empty unless the method asks for features. */
  features: readonly Tensor[]
}

export interface LossContext {
  b: Builder
  student: Network
  /** Frozen; its values carry no gradient. */
  teacher: Network
  /** [N, classes] target distribution; undefined when labels are off. */
  target: Tensor | undefined
  /** Share of the target spread over all classes. */
  labelSmoothing: number
  /** A number from the method's `scalars`, fed anew every step. */
  scalar(name: string): Tensor
  /** A further trainable tensor (a regressor's weight). It is not exported. `fan` scales its Kaiming initialisation. */
  param(name: string, shape: readonly number[], fan: number): Tensor
  /** Name of the current stage; '' for methods of one stage. */
  stage: string
}

/** A parameter on its way into the student's network. */
export interface ParameterContext {
  b: Builder
  /** As it is trained, float32. */
  p: Tensor
  name: string
  /** What it is when training begins. */
  first: TensorData
  /** Place among the weights (parameters of two axes or more) from input to output; undefined for biases and norms. */
  weight: { index: number; of: number } | undefined
  /** A further trainable tensor of this parameter, with its first values. It is not exported. */
  param(name: string, first: TensorData): Tensor
}

/** One named part of the loss. The total is the sum of weight x value. */
export interface Term {
  value: Tensor
  weight?: number | Tensor
  /** Terms of one group are differentiated together when the method has its own `update`. */
  group?: string
}

export interface Progress {
  /** Step within the stage, and the stage's length. */
  step: number
  steps: number
}

export interface Stage {
  name: string
  /** Share of all steps; the shares of a method's stages sum to 1. */
  share: number
  /** Multiplies the learning rate. */
  rate?: number
}

/** An optimizer step of the method's own, in place of the chosen optimizer's. One call for each parameter. */
export interface UpdateRule<O> {
  slots: readonly string[]
  update(ctx: {
    p: Tensor
    /** Gradients by group; a group that the parameter does not matter to is absent. */
    g: Readonly<Record<string, Tensor | undefined>>
    slots: Readonly<Record<string, Tensor>>
    lr: Tensor
    /** Weight decay of this parameter; 0 for norms and biases. */
    weightDecay: number
    momentum: number
    o: O
  }): { p: Tensor; slots: Record<string, Tensor> }
}

/** The teacher's answers to all training samples, before training. */
export interface Pool {
  /** Training samples, by index in the data set. */
  indices: Int32Array
  /** One row for each of them. */
  logits: Float32Array
  classes: number
}

/**
 * What a check compares: the claim holds when every required number, averaged over the seeds, is reached. NaN reaches nothing.
 * Numbers that are measured and not required are shown beside.
 */
export interface MethodCheck {
  claim: string
  required: Readonly<Record<string, number>>
  /**
   * The formula alone, in a moment: decimal digits to which loss, gradient or update agree with the paper's equation worked out in
   * float64. It stands in the result as `formulaDigits`.
   */
  formula(lab: Lab): Promise<number>
  /** What the method is claimed to do, by small trainings. */
  measure(lab: Lab): Promise<Record<string, number>>
}

/** What every formula must reach: float32 rounding leaves more. */
export const FORMULA_DIGITS = 5

/** One published method: one file. Everything but `loss` and `check` is optional; a method never reaches into the trainer. */
export interface Method<O = unknown> {
  readonly key: string
  readonly title: string
  readonly paper: string
  /** What it does not do, or where it does not pay; shown where the method is chosen. */
  readonly limit: string
  /** What it minimises or changes, as the paper writes it, in plain text: shown in catalogues. p_S and p_T are the answers of student and teacher. */
  readonly equation?: string
  readonly family: string
  /** `not-reproduced`: the claim did not hold here; the numbers are in `docs/METHODS.md`. */
  readonly status: 'ready' | 'not-reproduced'
  readonly needs: { readonly labels: 'required' | 'optional' | 'unused'; readonly features?: boolean }
  /** What the network's answers are taken for: class scores (when left out), or any numbers. */
  readonly compares?: 'scores' | 'values'
  readonly options: z.ZodType<O>
  loss(ctx: LossContext, o: O): Record<string, Term>
  /** What the student's network takes in place of a parameter, of the same shape. The trained file has it, too. */
  parameter?(ctx: ParameterContext, o: O): Tensor
  scalars?(at: Progress, o: O): Record<string, number>
  stages?(o: O): Stage[]
  /** Augmentations the method is defined with, in place of the user's; ids of `data/augment`, options after a colon. */
  views?(o: O): readonly string[]
  readonly update?: UpdateRule<O>
  /** Chooses the samples to learn from by what the teacher says of them; undefined: all. Labels are not shown. */
  select?(pool: Pool, o: O): Int32Array | undefined
  /** Training defaults that differ from the trainer's. */
  readonly defaults?: Readonly<{ optimizer?: string; lr?: number; schedule?: string; weightDecay?: number; clip?: number }>
  /** The same method with a wrong sign or a dropped term in its own formula: the check must fail with it. */
  readonly sabotage: Partial<Pick<Method<O>, 'loss' | 'parameter' | 'scalars' | 'stages' | 'views' | 'update' | 'select'>>
  readonly check: MethodCheck
}

export const defineMethod = <O>(method: Method<O>): Method => method
