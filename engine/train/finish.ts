import type { Builder, Tensor } from '../ops/index.ts'
import { clipByGlobalNorm, decaysByDefault, ema as averaged, type UpdateKernel } from '../optim/index.ts'
import type { Held, Init, StepSpec } from './program.ts'
import { PARAM } from './seen.ts'

/** An update that the graph leaves to the native addon: it gives the gradients, and the state is changed in place. */
export interface InPlaceUpdate {
  kernel: UpdateKernel
  clip: number | undefined
  /** Names in the state, but `grad`, an output of the step. */
  tensors: readonly { name: string; grad: string; slots: readonly string[]; average: string | undefined; decay: number }[]
  /** Sums of gradients in the state, which begin anew. */
  sums: readonly string[]
}

export interface Gradients {
  /** Names of what is trained, and as tensors. */
  trained: readonly string[]
  tensors: readonly Tensor[]
  /** By group of loss terms; undefined where the group does not reach a tensor. */
  grads: ReadonlyMap<string, readonly (Tensor | undefined)[]>
  held: Held
  /** Declares state that the graph does not read. */
  aside(name: string, dims: readonly number[], init: Init): void
  /** New values by name of the state, filled in here. */
  next: Map<string, Tensor>
  /** Further outputs, filled in here. */
  outputs: Map<string, Tensor>
}

/** Gradients to new parameters: accumulation, clipping, the optimizer's rule, averages. Answers what is left to do outside of the graph. */
export function finish(b: Builder, spec: StepSpec, s: Gradients): InPlaceUpdate | undefined {
  const groups = [...s.grads.keys()]
  let table = groups.map((group) => s.grads.get(group)!)
  const sums: string[] = []
  if (spec.mode !== 'both') {
    table = table.map((list, k) =>
      list.map((g, i) => {
        if (!g) return undefined
        const sumSoFar = s.held(`sum/${groups[k]!}/${s.trained[i]!}`, s.tensors[i]!.shape, 'zeros')
        const now = sumSoFar.add(g.div(spec.accumulate))
        if (spec.inPlace && spec.mode === 'update') sums.push(sumSoFar.name)
        else s.next.set(sumSoFar.name, spec.mode === 'update' ? b.zeros(g.shape) : now)
        return now
      }),
    )
    if (spec.mode === 'accumulate') return undefined
  }
  if (spec.inPlace) return handedOver(spec, s, table[0]!, sums)
  if (spec.clip !== undefined) table = clipped(table, spec.clip)
  const lr = b.input('lr', 'float32', [])
  const scalars = Object.keys(spec.optimizer.hostScalars?.(1, spec.optimizerOptions) ?? {})
  const fed = Object.fromEntries(scalars.map((name) => [name, b.input(`optimizer/${name}`, 'float32', [])]))
  const decay = spec.ema ? b.input('ema/decay', 'float32', []) : undefined
  const custom = spec.methods.find((m) => m.method.update)
  s.trained.forEach((name, i) => {
    const p = s.tensors[i]!
    const byGroup = Object.fromEntries(groups.map((group, k) => [group, table[k]![i]]))
    const present = Object.values(byGroup).filter((g): g is Tensor => g !== undefined)
    if (!present.length) return
    const weightDecay = decaysByDefault(p.shape) ? spec.weightDecay : 0
    const slots = Object.fromEntries(
      (custom?.method.update ?? spec.optimizer).slots.map((slot) => [slot, s.held(`slot/${slot}/${name}`, p.shape, 'zeros')]),
    )
    const made = custom
      ? custom.method.update!.update({ p, g: byGroup, slots, lr, weightDecay, momentum: spec.momentum, o: custom.options })
      : spec.optimizer.update({ p, g: sum(present), slots, lr, scalars: fed, decay: weightDecay > 0, o: spec.optimizerOptions })
    s.next.set(name, made.p)
    for (const [slot, t] of Object.entries(made.slots)) s.next.set(`slot/${slot}/${name}`, t)
    if (decay && name.startsWith(PARAM)) {
      const shadow = s.held(`ema/${name}`, p.shape, { sameAs: name })
      s.next.set(shadow.name, averaged(made.p, shadow, decay))
    }
  })
  return undefined
}

/** The gradients as outputs, the state as something that only the addon sees. */
function handedOver(spec: StepSpec, s: Gradients, grads: readonly (Tensor | undefined)[], sums: string[]): InPlaceUpdate {
  const tensors = s.trained.flatMap((name, i) => {
    const g = grads[i]
    if (!g) return []
    const shape = s.tensors[i]!.shape
    s.outputs.set(`grad/${name}`, g)
    const slots = spec.optimizer.slots.map((slot) => `slot/${slot}/${name}`)
    for (const slot of slots) s.aside(slot, shape, 'zeros')
    const average = spec.ema && name.startsWith(PARAM) ? `ema/${name}` : undefined
    if (average) s.aside(average, shape, { sameAs: name })
    return [{ name, grad: `grad/${name}`, slots, average, decay: decaysByDefault(shape) ? spec.weightDecay : 0 }]
  })
  return { kernel: spec.optimizer.kernel!(spec.optimizerOptions), clip: spec.clip, tensors, sums }
}

const sum = (list: readonly Tensor[]): Tensor => list.slice(1).reduce((s, t) => s.add(t), list[0]!)

/** All groups are scaled by one factor, so that their balance stays. */
function clipped(table: readonly (readonly (Tensor | undefined)[])[], max: number): (Tensor | undefined)[][] {
  const flat = table.flat().filter((g): g is Tensor => g !== undefined)
  const scaled = clipByGlobalNorm(flat, max).grads
  let at = 0
  return table.map((list) => list.map((g) => (g ? scaled[at++] : undefined)))
}
