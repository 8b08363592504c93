import { BugError, UnsupportedError } from '../errors.ts'
import { isFloat, sameShape, showNode } from '../ir/index.ts'
import { PRIVATE, type Builder, type Slots, type Step, type Tensor } from '../ops/index.ts'
import { total } from './accumulate.ts'

/**
 * Reverse-mode gradients of `sum_i <seed_i, y_i>` to each of `wrt`, as new tensors of the same builder: calling this on its own
 * result gives the second order. A tensor that `ys` do not depend on gets zeros.
 * @param seeds gradients of the outputs; a scalar output may leave its seed out (1).
 * Errors: UnsupportedError naming the node on the way to `wrt` that has no gradient.
 */
export function gradients(
  ys: Tensor | readonly Tensor[],
  wrt: readonly Tensor[],
  seeds?: readonly (Tensor | undefined)[],
): Tensor[] {
  const outputs: readonly Tensor[] = 'b' in ys ? [ys] : ys
  const b = outputs[0]?.b ?? wrt[0]!.b
  const start = outputs.map((y, i) => {
    const seed = seeds?.[i]
    if (!seed && y.size !== 1) throw new BugError(`gradient of ${y.toString()} needs a seed: it is not a scalar`)
    return seed ?? b.full(y.shape, 1, y.dtype)
  })
  return pullBack(b, outputs, start, wrt).map((d, i) => d ?? b.zeros(wrt[i]!.shape, wrt[i]!.dtype))
}

/** As `gradients` of a scalar, but undefined for a tensor that it does not depend on. */
export const gradientsOrNone = (y: Tensor, wrt: readonly Tensor[]): (Tensor | undefined)[] =>
  pullBack(y.b, [y], [y.b.full(y.shape, 1, y.dtype)], wrt)

/** Gradients found so far, by tensor. */
type Gradients = Pick<ReadonlyMap<Tensor, Tensor>, 'has' | 'get'>

/** @param leaves tensors that count as independent variables, even where one was made from another: partial derivatives. */
function pullBack(
  b: Builder,
  outputs: readonly Tensor[],
  seeds: readonly Tensor[],
  wrt: readonly Tensor[],
  leaves: ReadonlySet<Tensor> = new Set(),
): (Tensor | undefined)[] {
  const path = b.reachable(outputs, leaves)
  const active = new Set<Tensor>(wrt)
  const steps = path.filter((step) => {
    if (step.rule?.grad === 'zero' || !step.inputs.some((x) => x && active.has(x))) return false
    for (const y of step.outputs) if (isFloat(y.dtype) || step.rule?.straightThrough) active.add(y)
    return true
  })
  const parts = new Map<Tensor, Tensor[]>()
  const accumulate = (x: Tensor, d: Tensor) => {
    const fitted = d.sumTo(x.shape)
    // A quantized tensor's gradient is one of the numbers that it stands for.
    const typed = isFloat(x.dtype) ? fitted.dtype === x.dtype : isFloat(fitted.dtype)
    if (!typed || !sameShape(fitted.shape, x.shape))
      throw new BugError(`gradient ${fitted.toString()} of ${x.toString()} has another type`)
    const list = parts.get(x)
    if (list) list.push(fitted)
    else parts.set(x, [fitted])
  }
  // A tensor's gradient is asked for when all its readers have been passed: nothing is added afterwards.
  const sums = new Map<Tensor, Tensor>()
  const grads: Gradients = {
    has: (x) => parts.has(x),
    get(x) {
      const list = parts.get(x)
      if (!list) return undefined
      const sum = sums.get(x) ?? total(list)
      sums.set(x, sum)
      return sum
    },
  }
  outputs.forEach((y, i) => {
    if (active.has(y)) accumulate(y, seeds[i]!)
  })
  for (const step of steps.reverse()) {
    const given = step.outputs.map((y) => grads.has(y) && !leaves.has(y))
    if (!given.includes(true)) continue
    const need = step.inputs.map((x) => x !== undefined && active.has(x))
    const local = through(b, step, grads, given, need)
    step.inputs.forEach((x, i) => {
      const d = local[i]
      if (x && need[i] && d) accumulate(x, d)
    })
  }
  return wrt.map((x) => grads.get(x))
}

/** Gradients of one step's inputs. */
function through(
  b: Builder,
  step: Step,
  grads: Gradients,
  given: boolean[],
  need: boolean[],
): readonly (Tensor | null | undefined)[] {
  const { rule, node } = step
  const grad = rule?.grad
  if (!rule || typeof grad === 'object' || grad === undefined)
    throw new UnsupportedError(
      `no gradient for ${node.op}: ${typeof grad === 'object' ? grad.none : (step.reason ?? 'the operator has no rule')}`,
      {
        where: `node ${showNode(node)}`,
        hint: 'freeze what lies before it, or add a gradient to its rule in engine/ops/rules',
      },
    )
  if (grad === 'zero') return []
  const x = step.inputs as unknown as Slots<Tensor>
  const opt = (i: number) => step.inputs[i]
  if (grad === 'expand') {
    const leaf = new Map<Tensor, Tensor>()
    for (const [i, t] of step.inputs.entries()) if (t && need[i]) leaf.set(t, t.emit('Leaf', [], {}, { domain: PRIVATE }))
    const entered = step.inputs.map((t) => t && (leaf.get(t) ?? t))
    const expanded = rule.expand!({
      b,
      x: entered as unknown as Slots<Tensor>,
      a: step.a,
      outputs: step.outputs.length,
      opt: (i) => entered[i],
      where: `node ${showNode(node)}`,
    })
    b.expanded.add(step.index)
    const used = expanded.filter((_, i) => given[i])
    const seeds = step.outputs.filter((_, i) => given[i]).map((y) => grads.get(y)!)
    // An input may depend on another one (statistics on the data): the walk outside adds that part.
    const leaves = [...leaf.values()]
    const pulled = pullBack(b, used, seeds, leaves, new Set(leaves))
    // A tensor that is several inputs at once gets its whole gradient through the first of them.
    return step.inputs.map((t, i) => (t && need[i] && step.inputs.indexOf(t) === i ? pulled[leaves.indexOf(leaf.get(t)!)] : null))
  }
  const dy = step.outputs.map((y, i) => (given[i] ? grads.get(y)! : isFloat(y.dtype) ? b.zeros(y.shape, y.dtype) : y))
  return grad({
    b,
    x,
    y: step.outputs as unknown as Slots<Tensor>,
    dy: dy as unknown as Slots<Tensor>,
    a: step.a,
    given,
    need,
    opt,
  })
}
