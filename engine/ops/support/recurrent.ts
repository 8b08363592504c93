import type { Builder } from '../builder.ts'
import { floats, float, int, string, strings, type AttrValues } from '../attrs.ts'
import type { InferContext, TensorType, Tie } from '../rule.ts'
import { concat, where, type Tensor } from '../tensor.ts'
import type { Activation } from './recurrentActivations.ts'
import { cut, UnrollGuard } from './unroll.ts'

/** Attributes that LSTM, GRU and RNN share. `clip` absent: no clipping. `layout` 1 puts the batch before time. */
export const recurrentAttrs = {
  direction: string('forward'),
  hidden_size: int(),
  activations: strings(),
  activation_alpha: floats(),
  activation_beta: floats(),
  clip: float(),
  layout: int(0),
}

export type RecurrentAttrs = AttrValues<typeof recurrentAttrs>

/** One direction's weights, without the leading axis. Gates are stacked along the rows. */
export interface Direction {
  /** [gates * hidden, input] */
  readonly w: Tensor
  /** [gates * hidden, hidden] */
  readonly r: Tensor
  /** Biases of the input and of the recurrent product, [gates * hidden] each. */
  readonly bias: { readonly w: Tensor; readonly r: Tensor } | undefined
  /** Peephole weights, [3 * hidden] (LSTM). */
  readonly p: Tensor | undefined
  readonly activations: readonly Activation[]
  readonly hidden: number
}

/** State of one step: h, and c for an LSTM, [batch, hidden] each. Undefined stands for zeros. */
export type State = readonly (Tensor | undefined)[]

/** One direction's step: `bias` is added to the projection of all inputs at once; `step` gets one time's share, [batch, gates * hidden]. */
export interface Cell {
  readonly bias: Tensor | undefined
  step(xt: Tensor, state: State): Tensor[]
}

interface UnrollContext {
  readonly b: Builder
  readonly x: readonly Tensor[]
  readonly a: RecurrentAttrs
  readonly where?: string
  opt(i: number): Tensor | undefined
}

const directionsOf = (a: RecurrentAttrs): ('forward' | 'reverse')[] =>
  a.direction === 'bidirectional' ? ['forward', 'reverse'] : [a.direction as 'forward']

/** Types of Y, Y_h (and Y_c): the states' part is the same for all three operators. */
export function inferRecurrent(ctx: InferContext<RecurrentAttrs>, gates: number, states: number): TensorType[] {
  const { x, a, opt, outputs, fail } = ctx
  const [input, w, r] = x
  if (!['forward', 'reverse', 'bidirectional'].includes(a.direction)) fail(`direction '${a.direction}' is unknown`)
  if (a.layout !== 0 && a.layout !== 1) fail(`layout is ${a.layout}, expected 0 or 1`)
  const directions = directionsOf(a).length
  const hidden = r.shape[2] ?? 0
  const expected = (what: string, t: TensorType | undefined, shape: readonly (number | undefined)[]) => {
    if (t && t.shape.join() !== shape.join()) fail(`${what} is [${t.shape.join(', ')}], expected [${shape.join(', ')}]`)
  }
  if (input.shape.length !== 3) fail(`the input has rank ${input.shape.length}, expected 3`)
  if (a.hidden_size !== undefined && a.hidden_size !== hidden)
    fail(`hidden_size is ${a.hidden_size}, the recurrence weight has ${hidden}`)
  const [time, batch] = a.layout === 1 ? [input.shape[1]!, input.shape[0]!] : [input.shape[0]!, input.shape[1]!]
  const state = a.layout === 1 ? [batch, directions, hidden] : [directions, batch, hidden]
  expected('the input weight W', w, [directions, gates * hidden, input.shape[2]])
  expected('the recurrence weight R', r, [directions, gates * hidden, hidden])
  expected('the bias B', opt(3), [directions, 2 * gates * hidden])
  expected('sequence_lens', opt(4), [batch])
  expected('initial_h', opt(5), state)
  expected('initial_c', opt(6), state)
  expected('the peepholes P', opt(7), [directions, 3 * hidden])
  const all = a.layout === 1 ? [batch, time, directions, hidden] : [time, directions, batch, hidden]
  return [all, ...Array<number[]>(states).fill(state)].slice(0, outputs).map((shape) => ({ dtype: input.dtype, shape }))
}

/** Inputs of data and weight share their last axis. The hidden axis is stacked by gates in the weights, which no tie can say. */
export const recurrentTies = (): Tie[] => [{ a: ['x0', 2], b: ['x1', 2] }]

/** Floating-point operations of the matrix products; the gates' own are few beside them. */
export function recurrentCost(x: readonly TensorType[], gates: number): number {
  const [input, , r] = x
  const [directions, , hidden] = r!.shape as [number, number, number]
  const [p, q, size] = input!.shape as [number, number, number]
  return 2 * p * q * directions * gates * hidden * (size + hidden)
}

/**
 * The outputs of a recurrent operator in plain ones: the projections of all time steps are one product, and each step is one product with the
 * state before it. Rows past their `sequence_lens` keep their state and give zeros, so a reversed row starts at its own end, as in ONNX
 * Runtime. Errors: UnsupportedError beyond the ceiling of `unroll.ts`.
 */
export function unrollRecurrent(
  ctx: UnrollContext,
  what: string,
  states: number,
  activations: readonly (readonly Activation[])[],
  cellOf: (d: Direction) => Cell,
): Tensor[] {
  const { b, a, opt } = ctx
  const batchFirst = a.layout === 1
  const [input, w, r] = ctx.x as [Tensor, Tensor, Tensor]
  const x = batchFirst ? input.transpose([1, 0, 2]) : input
  const [time, batch, size] = x.shape as [number, number, number]
  const [directions, rows, hidden] = r.shape as [number, number, number]
  const rowsOf = x.reshape([time * batch, size])
  const guard = new UnrollGuard(b, what, ctx.where ?? what)
  const valid = validSteps(opt(4), time)
  const [ws, rs, bs, ps] = [w, r, opt(3), opt(7)].map((t) => t && unstack(t, 0))
  const initial = [opt(5), opt(6)].slice(0, states).map((t) => t && unstack(t, batchFirst ? 1 : 0))
  const outputs = Array.from({ length: states + 1 }, (): Tensor[] => [])
  directionsOf(a).forEach((direction, d) => {
    const [biasW, biasR] = bs?.[d]?.split([rows, rows], 0) ?? []
    const cell = cellOf({
      w: ws![d]!,
      r: rs![d]!,
      bias: biasW && biasR && { w: biasW, r: biasR },
      p: ps?.[d],
      activations: activations[d]!,
      hidden,
    })
    const projected = rowsOf.gemm(ws![d]!, { transB: true, c: cell.bias })
    const parts = cut(projected, time, 0)
    guard.skip()
    let state: State = initial.map((t) => t?.[d])
    const hs = new Array<Tensor>(time)
    for (let k = 0; k < time; k++) {
      const t = direction === 'reverse' ? time - 1 - k : k
      const next = cell.step(parts[t]!, state)
      const mask = valid?.(t)
      const zeros = () => b.zeros([batch, hidden], x.dtype)
      hs[t] = mask ? where(mask, next[0]!, zeros()) : next[0]!
      const before = state
      state = mask ? next.map((now, i) => where(mask, now, before[i] ?? zeros())) : next
      guard.passed(d * time + k + 1, directions * time)
    }
    outputs[0]!.push(concat(hs, 0).reshape([time, 1, batch, hidden]))
    const any = initial.some(Boolean) ? valid?.(0) : undefined
    for (const [i, last] of state.entries()) {
      // A row of length 0 has no last state: ONNX Runtime gives zeros, not the initial one.
      const kept = any ? where(any, last!, b.zeros([batch, hidden], x.dtype)) : last!
      outputs[i + 1]!.push(kept.unsqueeze([0]))
    }
  })
  const [y, ...last] = outputs.map((parts, i) => concat(parts, i === 0 ? 1 : 0))
  if (!batchFirst) return [y!, ...last]
  return [y!.transpose([2, 0, 1, 3]), ...last.map((t) => t.transpose([1, 0, 2]))]
}

/** Slices along an axis that is then gone. */
function unstack(t: Tensor, axis: number): Tensor[] {
  const n = t.shape[axis]!
  const shape = t.shape.filter((_, i) => i !== axis)
  return cut(t, n, axis).map((part) => part.reshape(shape))
}

/** For each time step the mask of rows that reach it, [batch, 1]; undefined where all do. */
function validSteps(lengths: Tensor | undefined, time: number): ((t: number) => Tensor | undefined) | undefined {
  if (!lengths) return undefined
  const known = lengths.value && Array.from(lengths.value.numbers())
  if (known?.every((n) => n >= time)) return undefined
  const column = lengths.reshape([lengths.size, 1])
  return (t) => (known?.every((n) => n > t) ? undefined : column.greater(t))
}
