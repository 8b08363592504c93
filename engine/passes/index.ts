import type { Builder, Tensor } from '../ops/index.ts'
import { lowerWith, type Target } from './lowering.ts'
import { fuseBlocked } from './fuse.ts'
import { lowerings } from './list.gen.ts'
import { atOlderOpset } from './olderOpset.ts'

export { defineLowering, type Lowering, type Target } from './lowering.ts'

export const CPU: Target = { provider: 'cpu', block: 1 }

/** Rewrites what `outputs` depend on for a target; see `lowering.ts`. `at` maps old tensors to new ones. */
export const lower = (
  from: Builder,
  outputs: readonly Tensor[],
  target: Target = CPU,
): { b: Builder; at: (old: Tensor) => Tensor } => {
  const lowered = lowerWith(lowerings, from, outputs, target)
  if (target.provider === 'webgpu') {
    const older = atOlderOpset(lowered.b, outputs.map(lowered.at))
    return { b: older.b, at: (old) => older.at(lowered.at(old)) }
  }
  if (target.provider !== 'cpu' || target.block <= 1) return lowered
  const fused = fuseBlocked(lowered.b, outputs.map(lowered.at))
  return { b: fused.b, at: (old) => fused.at(lowered.at(old)) }
}
export type { Plan, Question } from './forms.ts'
export { recompute } from './recompute.ts'
export * from './rewrite.ts'
export { rewrites } from './rewrites/list.gen.ts'
