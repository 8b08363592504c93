import { isFloat } from '../ir/index.ts'
import { Builder, type Step, type Tensor } from '../ops/index.ts'

/**
 * Trades time for memory: of the forward pass only the values at about sqrt(n) borders are kept, and what the gradients need in between is
 * computed again from them, one segment at a time, when the gradients get there (Chen, Xu, Zhang, Guestrin 2016, "Training deep nets with
 * sublinear memory cost"). One more forward pass of time; memory grows with the square root of the depth.
 *
 * A graph has no notion of "later", and ONNX Runtime merges equal calls. Both are dealt with alike: what is computed again starts from
 * `border + max(min(g, 0), 0)`, with g one element of a gradient that must be there first.
 *
 * `forward` is the number of the builder's steps before the first gradient. Runs before lowering. `at` maps old tensors to new ones.
 */
export function recompute(from: Builder, outputs: readonly Tensor[], forward: number): { b: Builder; at: (old: Tensor) => Tensor } {
  const into = new Builder(from.rules, from.opset)
  const map = new Map<Tensor, Tensor>()
  for (const x of from.inputs) map.set(x, into.input(x.name, x.dtype, x.shape))
  const at = (old: Tensor): Tensor => {
    const known = map.get(old) ?? into.constant(old.value!, old.size > 64 ? old.name : undefined)
    map.set(old, known)
    return known
  }
  const copy = (step: Step, inputs: readonly (Tensor | undefined)[], put: (old: Tensor, made: Tensor) => void): void => {
    const made = into.emitNode(step.node, inputs, step.outputs)
    step.outputs.forEach((old, i) => {
      if (made[i]) put(old, made[i])
    })
  }
  const steps = from.reachable(outputs)
  const plan = segmentsOf(steps, outputs, forward)
  const again = new Map<number, Map<Tensor, Tensor>>()
  const after = spine(steps, plan, forward)
  let arrived: Tensor | undefined
  for (const step of steps) {
    if (step.index < forward) {
      copy(step, step.inputs.map((x) => x && at(x)), (old, made) => map.set(old, made)) // prettier-ignore
      continue
    }
    const inputs = step.inputs.map((x) => {
      const segment = x && plan.dropped.get(x)
      if (segment === undefined || !arrived) return x && at(x)
      const values = again.get(segment) ?? repeat(into, plan.segments[segment]!, at, arrived, copy)
      again.set(segment, values)
      return values.get(x!) ?? at(x!)
    })
    copy(step, inputs, (old, made) => map.set(old, made))
    if (after.has(step.index)) arrived = at(step.outputs.find((y) => isFloat(y.dtype))!)
  }
  return { b: into, at }
}

interface Plan {
  /** Steps of each segment whose values are computed again. */
  segments: Step[][]
  /** Values that gradients need and that are not kept, with their segment. */
  dropped: Map<Tensor, number>
  /** Index of the first step of the last segment: its values are needed first, so they are kept. */
  last: number
}

/** Cuts the forward steps into about sqrt(n) runs that hold equally many bytes for the gradients. */
function segmentsOf(steps: readonly Step[], outputs: readonly Tensor[], forward: number): Plan {
  const before = steps.filter((step) => step.index < forward)
  const needed = new Set<Tensor>()
  for (const step of steps)
    if (step.index >= forward) for (const x of step.inputs) if (x && x.step >= 0 && x.step < forward) needed.add(x)
  const held = before.map((step) => step.outputs.reduce((n, y) => n + (needed.has(y) ? y.size : 0), 0))
  const total = held.reduce((s, n) => s + n, 0)
  const count = Math.max(1, Math.round(Math.sqrt(held.filter((n) => n > 0).length)))
  const segmentOf = new Map<number, number>()
  let sum = 0
  before.forEach((step, i) => {
    segmentOf.set(step.index, Math.min(count - 1, Math.floor((count * sum) / Math.max(1, total))))
    sum += held[i]!
  })
  // What crosses a border is kept, and so is what comes out of the graph; random draws would be others the second time.
  const kept = new Set<Tensor>(outputs)
  for (const step of before) {
    for (const x of step.inputs) if (x && x.step >= 0 && segmentOf.get(x.step) !== segmentOf.get(step.index)) kept.add(x)
    if (step.rule?.random || !step.rule) for (const y of step.outputs) kept.add(y)
  }
  const segments = Array.from({ length: count }, (): Step[] => [])
  const dropped = new Map<Tensor, number>()
  for (const step of before) {
    const segment = segmentOf.get(step.index)!
    if (segment === count - 1) continue
    if (step.outputs.every((y) => kept.has(y))) continue
    segments[segment]!.push(step)
    for (const y of step.outputs) if (needed.has(y) && !kept.has(y)) dropped.set(y, segment)
  }
  const last = before.find((step) => segmentOf.get(step.index) === count - 1)?.index ?? forward
  return { segments: segments.map((list) => wanted(list, dropped)), dropped, last }
}

/** The steps of a segment that lead to a dropped value. */
function wanted(list: readonly Step[], dropped: ReadonlyMap<Tensor, number>): Step[] {
  const leading = new Set<Tensor>(dropped.keys())
  const out: Step[] = []
  for (const step of list.toReversed()) {
    if (!step.outputs.some((y) => leading.has(y))) continue
    for (const x of step.inputs) if (x) leading.add(x)
    out.push(step)
  }
  return out.reverse()
}

/** Gradient steps that can only run after the whole forward pass: they depend on its last segment. */
function spine(steps: readonly Step[], plan: Plan, forward: number): Set<number> {
  const late = new Set<Tensor>()
  const found = new Set<number>()
  for (const step of steps) {
    const own = step.index < forward ? step.index >= plan.last : step.inputs.some((x) => x && late.has(x))
    if (!own) continue
    for (const y of step.outputs) late.add(y)
    if (step.index >= forward && step.outputs.some((y) => isFloat(y.dtype) && y.size > 0)) found.add(step.index)
  }
  return found
}

/** Emits the steps of a segment once more, on its borders as they are after `arrived`. */
function repeat(
  b: Builder,
  list: readonly Step[],
  at: (old: Tensor) => Tensor,
  arrived: Tensor,
  copy: (step: Step, inputs: readonly (Tensor | undefined)[], put: (old: Tensor, made: Tensor) => void) => void,
): Map<Tensor, Tensor> {
  const values = new Map<Tensor, Tensor>()
  // Always 0, which neither our simplifications nor ONNX Runtime's can tell.
  const nothing = first(arrived).minimum(0).maximum(0)
  const border = (old: Tensor): Tensor => {
    const kept = at(old)
    // Inputs and weights are there anyway, but a value made of them alone must wait as well.
    const later = isFloat(kept.dtype) && !kept.value ? kept.add(nothing.cast(kept.dtype)) : kept
    values.set(old, later)
    return later
  }
  for (const step of list) {
    const touches = step.inputs.some((x) => x && x.step >= 0)
    const inputs = step.inputs.map((x) => x && (values.get(x) ?? (touches && x.step < 0 ? at(x) : border(x))))
    copy(step, inputs, (old, made) => values.set(old, made))
  }
  return values
}

/** One element, as a scalar: [1] would raise the rank of what it is added to. */
function first(t: Tensor): Tensor {
  const flat = t.rank === 0 ? t : t.reshape([t.size])
  return flat.rank === 0 || flat.size === 1 ? flat.reshape([]) : flat.slice([0], [1], [0]).reshape([])
}
