import { showShape } from '../../ir/index.ts'
import { string } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { axesIn, tieAxes } from '../support/axes.ts'
import { knownValues } from '../support/values.ts'
import type { Tensor } from '../tensor.ts'

const ints64 = (...values: number[]) => ({ shape: [values.length], dtype: 'int64' as const, values })

/** Begin and end pads of every axis. */
function padsOf(rank: number, pads: readonly number[], axes: readonly number[] | undefined): { begin: number[]; end: number[] } {
  const begin = new Array<number>(rank).fill(0)
  const end = new Array<number>(rank).fill(0)
  const list = axes?.map((i) => (i < 0 ? i + rank : i)) ?? begin.map((_, i) => i)
  list.forEach((axis, k) => {
    begin[axis] = pads[k]!
    end[axis] = pads[k + list.length]!
  })
  return { begin, end }
}

/** Source position of each output position along one axis of size `size`. What negative pads cut off is not there to be repeated. */
function mirror(mode: string, size: number, begin: number, end: number): number[] {
  const from = Math.max(0, -begin)
  const d = size - from - Math.max(0, -end)
  const period = mode === 'reflect' ? Math.max(1, 2 * (d - 1)) : d
  return Array.from({ length: size + begin + end }, (_, i) => {
    const at = i - Math.max(0, begin)
    if (mode === 'edge') return from + Math.min(d - 1, Math.max(0, at))
    const k = ((at % period) + period) % period
    return from + (mode === 'reflect' && k >= d ? period - k : k)
  })
}

interface Run {
  readonly start: number
  readonly count: number
  readonly to: number
  /** 1 forwards, -1 backwards, 0 all to one place. */
  readonly step: number
}

/** Cuts a list of positions into stretches of equal steps. */
function runsOf(at: readonly number[]): Run[] {
  const runs: Run[] = []
  for (let start = 0; start < at.length;) {
    const step = (at[start + 1] ?? at[start]! + 1) - at[start]!
    let count = 1
    if (Math.abs(step) <= 1) while (start + count < at.length && at[start + count]! - at[start + count - 1]! === step) count++
    runs.push({ start, count, to: at[start]!, step: count === 1 ? 1 : step })
    start += count
  }
  return runs
}

/**
 * Adds entry k along an axis of `d` to entry `at[k]` of zeros of `size`: each stretch in turn, since slices and pads are copies of whole rows,
 * which a scatter is not.
 */
function foldBack(d: Tensor, at: readonly number[], axis: number, size: number): Tensor {
  const placed = runsOf(at).map(({ start, count, to, step }) => {
    const cut = d.slice([start], [start + count], [axis])
    const part = step === 0 ? cut.sum([axis], true) : step < 0 ? cut.slice([count - 1], [-count - 1], [axis], [-1]) : cut
    const first = step < 0 ? to - count + 1 : to
    const begin = d.shape.map((_, i) => (i === axis ? first : 0))
    const end = d.shape.map((_, i) => (i === axis ? size - first - part.shape[axis]! : 0))
    return part.pad([...begin, ...end])
  })
  return placed.reduce((sum, t) => sum.add(t))
}

/** Padding with a constant, mirrored, repeated or wrapped around; negative constant pads crop. */
export const Pad = defineOp({
  type: 'Pad',
  since: 13,
  attrs: { mode: string('constant') },
  infer({ x: [x], a, opt, known, fail }) {
    const rank = x.shape.length
    const pads = known(1, 'pads')
    const axes = opt(3) ? axesIn(known(3, 'axes'), rank, fail) : undefined
    if (pads.length !== 2 * (axes?.length ?? rank)) fail(`${pads.length} pads for ${axes?.length ?? rank} axes`)
    const { begin, end } = padsOf(rank, pads, axes)
    const shape = x.shape.map((d, i) => d + begin[i]! + end[i]!)
    if (shape.some((d) => d < 0)) fail(`pads ${showShape(pads)} crop more than ${showShape(x.shape)} has`)
    if (a.mode !== 'constant')
      x.shape.forEach((d, i) => {
        const left = d - Math.max(0, -begin[i]!) - Math.max(0, -end[i]!)
        // Beyond one repetition before the start, ONNX Runtime's wrap reads memory that is not the tensor's.
        const any = left > 0 ? Infinity : 0
        const room = { reflect: [left - 1, left - 1], wrap: [left, any] }[a.mode] ?? [any, any]
        if (Math.max(0, begin[i]!) > room[0]! || Math.max(0, end[i]!) > room[1]!)
          fail(`axis ${i} is padded by ${begin[i]} and ${end[i]} in mode ${a.mode}, ${left} entries are there to repeat`)
      })
    return [{ dtype: x.dtype, shape }]
  },
  grad({ x, dy: [dy], a, need, opt }) {
    const [data] = x
    const { begin, end } = padsOf(data.rank, knownValues(x)(1)!, knownValues(x)(3))
    if (a.mode !== 'constant') {
      let d = dy
      data.shape.forEach((size, axis) => {
        if (begin[axis] || end[axis]) d = foldBack(d, mirror(a.mode, size, begin[axis]!, end[axis]!), axis, size)
      })
      return [d]
    }
    const fill = opt(2)
    if (data.shape.some((d, i) => d + Math.min(0, begin[i]!) + Math.min(0, end[i]!) <= 0))
      return [dy.b.zeros(data.shape, data.dtype), null, fill && need[2] ? dy.sum().reshape(fill.shape) : null]
    // The part that came from the input, then zeros where the input was cropped.
    const all = data.shape.map((_, i) => i)
    const starts = begin.map((p) => Math.max(0, p))
    const ends = end.map((p, i) => dy.shape[i]! - Math.max(0, p))
    const inner = dy.slice(starts, ends, all)
    return [
      inner.pad([...begin, ...end].map((p) => Math.max(0, -p))),
      null,
      fill && need[2] ? dy.sum().sub(inner.sum()).reshape(fill.shape) : null,
    ]
  },
  simplify: ({ x }) => (knownValues(x)(1)!.every((p) => p === 0) ? x[0] : undefined),
  cost: () => 0,
  channels: ({ x: [x], y: [y] }) => tieAxes(x.shape.length, (i) => x.shape[i] === y.shape[i]),
  examples: [
    { x: [[2, 3], ints64(0, 1, 1, 2), { shape: [], range: [0.5, 1] }] },
    { x: [[4, 5], ints64(-1, 1, 0, -2)] },
    { x: [[2, 4, 3], ints64(1, 2), null, ints64(1)] },
    { x: [[3, 4], ints64(1, 2, 2, 1)], a: { mode: 'reflect' } },
    { x: [[3, 4], ints64(1, 0, 2, 3)], a: { mode: 'edge' } },
    { x: [[3, 4], ints64(0, 2, 0, 1)], a: { mode: 'wrap' } },
    { x: [[2, 3, 5], ints64(-1, 2), null, ints64(-1)], a: { mode: 'edge' } },
    { x: [[4, 5], ints64(1, -1, -1, 2)], a: { mode: 'edge' } },
    { x: [[4, 5], ints64(2, -1, -1, 2)], a: { mode: 'reflect' } },
    { x: [[4, 5], ints64(2, -1, -1, 2)], a: { mode: 'wrap' } },
    { x: [[3, 2], ints64(0, 2, 0, 5)], a: { mode: 'wrap' } },
  ],
})
