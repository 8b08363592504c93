import { showShape } from '../../ir/index.ts'
import { string } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { axesIn, tieAxes } from '../support/axes.ts'
import { scatterAlong } from '../support/scatter.ts'
import { knownValues } from '../support/values.ts'

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

/** Source position of each output position along one axis of size `d`. */
function mirror(mode: string, d: number, begin: number, count: number): number[] {
  const period = mode === 'reflect' ? Math.max(1, 2 * (d - 1)) : d
  return Array.from({ length: count }, (_, i) => {
    const at = i - begin
    if (mode === 'edge') return Math.min(d - 1, Math.max(0, at))
    const k = ((at % period) + period) % period
    return mode === 'reflect' && k >= d ? period - k : k
  })
}

/** Padding with a constant, mirrored, repeated or wrapped around; negative constant pads crop. */
export const Pad = defineOp({
  type: 'Pad',
  since: 13,
  attrs: { mode: string('constant') },
  infer({ x: [x], opt, known, fail }) {
    const rank = x.shape.length
    const pads = known(1, 'pads')
    const axes = opt(3) ? axesIn(known(3, 'axes'), rank, fail) : undefined
    if (pads.length !== 2 * (axes?.length ?? rank)) fail(`${pads.length} pads for ${axes?.length ?? rank} axes`)
    const { begin, end } = padsOf(rank, pads, axes)
    const shape = x.shape.map((d, i) => d + begin[i]! + end[i]!)
    if (shape.some((d) => d < 0)) fail(`pads ${showShape(pads)} crop more than ${showShape(x.shape)} has`)
    return [{ dtype: x.dtype, shape }]
  },
  grad({ x, dy: [dy], a, need, opt }) {
    const [data] = x
    const { begin, end } = padsOf(data.rank, knownValues(x)(1)!, knownValues(x)(3))
    if (a.mode !== 'constant') {
      let d = dy
      data.shape.forEach((size, axis) => {
        if (begin[axis] || end[axis]) d = scatterAlong(d, dy.b.ints(mirror(a.mode, size, begin[axis]!, d.shape[axis]!)), axis, size)
      })
      return [d]
    }
    // The part that came from the input, then zeros where the input was cropped.
    const all = data.shape.map((_, i) => i)
    const starts = begin.map((p) => Math.max(0, p))
    const ends = end.map((p, i) => dy.shape[i]! - Math.max(0, p))
    const inner = dy.slice(starts, ends, all)
    const fill = opt(2)
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
  ],
})
