import type { Builder, Step } from './builder.ts'
import type { Tensor } from './tensor.ts'

/** What to emit instead of a step; undefined keeps the step as it is. */
export type Rewrite = (step: Step, inputs: readonly (Tensor | undefined)[], into: Builder) => readonly Tensor[] | undefined

/**
 * Copies what `outputs` depend on into another builder, rewriting on the way. All inputs are declared again, in their order.
 * Returns the map from old tensors to new ones.
 */
export function replay(from: Builder, into: Builder, outputs: Iterable<Tensor>, rewrite: Rewrite): (old: Tensor) => Tensor {
  const map = new Map<Tensor, Tensor>()
  for (const x of from.inputs) map.set(x, into.input(x.name, x.dtype, x.shape))
  const at = (old: Tensor): Tensor => {
    const known = map.get(old)
    if (known) return known
    const made = into.constant(old.value!, old.size > 64 ? old.name : undefined)
    map.set(old, made)
    return made
  }
  for (const step of from.reachable(outputs)) {
    const inputs = step.inputs.map((x) => (x ? at(x) : undefined))
    const made = rewrite(step, inputs, into) ?? into.emitNode(step.node, inputs, step.outputs)
    step.outputs.forEach((old, i) => {
      if (made[i]) map.set(old, made[i])
    })
  }
  return at
}
