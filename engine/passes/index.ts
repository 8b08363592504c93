import type { Builder, Tensor } from '../ops/index.ts'
import { lowerWith, type Target } from './lowering.ts'
import { lowerings } from './list.gen.ts'

export { defineLowering, type Lowering, type Target } from './lowering.ts'

export const CPU: Target = { provider: 'cpu', block: 1 }

/** Rewrites what `outputs` depend on for a target; see `lowering.ts`. `at` maps old tensors to new ones. */
export const lower = (
  from: Builder,
  outputs: readonly Tensor[],
  target: Target = CPU,
): { b: Builder; at: (old: Tensor) => Tensor } => lowerWith(lowerings, from, outputs, target)
export * from './rewrite.ts'
export { rewrites } from './rewrites/list.gen.ts'
