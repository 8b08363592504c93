import type { z } from 'zod'
import type { Builder, Tensor } from '../ops/index.ts'
import type { Initialiser } from './initialisers.ts'

/** What a template draws its parameters and sizes from. */
export interface TemplateContext<O> {
  /** Number of classes (or of numbers to predict): the width of the logits. */
  readonly classes: number
  readonly o: O
  /** All inputs by name, the main one among them. */
  readonly inputs: ReadonlyMap<string, Tensor>
  /** Tokens that there are, for templates of texts. */
  readonly vocabulary: number
  /** A trainable parameter (or running statistic), stored under `name`. */
  param(name: string, shape: readonly number[], init: Initialiser): Tensor
}

export interface TemplateOutputs {
  /** [N, classes], without softmax; [N, classes, H, W] where each pixel is answered. */
  readonly logits: Tensor
  /** Places where features can be compared, from input to output, by name. */
  readonly taps: Readonly<Record<string, Tensor>>
}

/**
 * One architecture or family of them. `build` makes a plain inference graph (batch norm with running statistics) on samples
 * `x` [N, ...]; the training compiler puts batch norm into training mode.
 */
export interface Template<O = unknown> {
  readonly id: string
  /** Accepted names; the one that was used is given to `parse`. */
  readonly names: readonly [string, ...string[]]
  readonly title: string
  readonly paper: string
  readonly options: z.ZodType<O>
  /** What may follow a colon, for messages: `mlp:256,128`. */
  readonly argument?: string
  /** Takes samples of any shape; the others take images [C, H, W]. */
  readonly anyInput?: boolean
  /**
   * What else than one tensor it takes: `tokens` are input_ids, attention_mask and token_type_ids [N, length], int64; `graph` is x [nodes,
   * features] and edge_index [2, edges], int64.
   */
  readonly takes?: 'tokens' | 'graph'
  /** It answers for each pixel of its input. */
  readonly pixels?: boolean
  /** Opset that its graph is written at, where the usual one lacks an operator. */
  readonly opset?: number
  /** Options that a name (and what follows a colon) stand for; `options` checks them. */
  parse(name: string, argument: string | undefined): Record<string, unknown>
  build(b: Builder, x: Tensor, ctx: TemplateContext<O>): TemplateOutputs
}

/** Declares a template; the options' type flows from the schema. */
export const defineTemplate = <O>(template: Template<O>): Template => template
