import { Builder, PRIVATE, replay, type AttrValue, type Slots, type Step, type Tensor } from '../ops/index.ts'
import { BugError } from '../errors.ts'
import type { Plan, Question } from './forms.ts'

/** What the machine that will run the graph can do. */
export interface Target {
  provider: 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml'
  /** Channels in a block of ONNX Runtime's NCHWc kernels as probed on this machine; 1 where they cannot be used. */
  block: number
  /** Forms of operators that were measured to be the fastest here, by question; the usual ones where left out. */
  plan?: Plan | undefined
  /** Told of every operator that has several forms. */
  ask?: ((q: Question) => void) | undefined
}

export interface LoweringContext {
  b: Builder
  x: Slots<Tensor>
  a: Record<string, AttrValue>
  outputs: number
  /** The step being lowered, as it stood before. */
  step: Step
  target: Target
  /** A gradient went through the operator's expansion, which is in the graph anyhow. */
  differentiated: boolean
  opt(i: number): Tensor | undefined
}

/** One way to write an operator, or each of several, for a target. The first lowering of an operator whose `when` holds is taken. */
export interface Lowering {
  readonly op: string | readonly string[]
  readonly domain?: string
  /** Higher ones are asked first. */
  readonly priority?: number
  when?(ctx: LoweringContext): boolean
  /** The outputs in standard (or com.microsoft) operators; undefined leaves the node to the next lowering. */
  lower(ctx: LoweringContext): readonly Tensor[] | undefined
}

export const defineLowering = (lowering: Lowering): Lowering => lowering

/**
 * Rewrites what `outputs` depend on for a target, into a new builder: private operators become standard ones, and operators that
 * the target has no kernel for are written in others. Runs after all differentiation.
 */
export function lowerWith(
  table: readonly Lowering[],
  from: Builder,
  outputs: readonly Tensor[],
  target: Target,
): { b: Builder; at: (old: Tensor) => Tensor } {
  const b = new Builder(from.rules, from.opset)
  const byOp = new Map<string, Lowering[]>()
  for (const l of [...table].sort((p, q) => (q.priority ?? 0) - (p.priority ?? 0)))
    for (const op of [l.op].flat()) byOp.set(`${l.domain ?? ''}:${op}`, [...(byOp.get(`${l.domain ?? ''}:${op}`) ?? []), l])
  const write = (op: string, domain: string, ctx: LoweringContext): readonly Tensor[] | undefined => {
    for (const l of byOp.get(`${domain}:${op}`) ?? []) {
      if (l.when && !l.when(ctx)) continue
      const made = l.lower(ctx)
      if (made) return made
    }
    return undefined
  }
  // What a lowering or an expansion emits may itself need lowering: go on until nothing private is left.
  let current = from
  let wanted = outputs
  let at = (old: Tensor): Tensor => old
  for (let round = 0; round < 6; round++) {
    const into = new Builder(from.rules, from.opset)
    let changed = false
    const next = replay(current, into, wanted, (step, inputs, builder) => {
      const ctx: LoweringContext = {
        b: builder,
        x: inputs as unknown as Slots<Tensor>,
        a: step.a,
        outputs: step.outputs.length,
        step,
        target,
        differentiated: current.expanded.has(step.index),
        opt: (i) => inputs[i],
      }
      const made =
        write(step.node.op, step.node.domain, ctx) ??
        (step.node.domain === PRIVATE ? step.rule?.expand?.({ ...ctx, a: step.a }) : undefined)
      if (made) changed = true
      return made
    })
    const before = at
    at = (old) => next(before(old))
    wanted = wanted.map(next)
    current = into
    if (!changed) return { b: current, at }
  }
  throw new BugError(`lowering did not come to an end`, {
    hint: `operators left: ${[...new Set(b.steps.map((s) => s.node.op))].join(', ')}`,
  })
}
