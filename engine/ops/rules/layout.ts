import { broadcast, sameShape, showShape, sizeOf, strides } from '../../ir/index.ts'
import { int, string } from '../attrs.ts'
import { defineOp, type Tie } from '../rule.ts'
import { concat, type Tensor } from '../tensor.ts'
import { axesIn, axisIn, fault, tieAxes } from '../support/axes.ts'
import { broadcastTies } from '../support/elementwise.ts'
import { broadcastIndex, gatherParts, isPlain, knownValues, madeBy, pick, viewIndex } from '../support/values.ts'

const ints64 = (...values: number[]) => ({ shape: [values.length], dtype: 'int64' as const, values })

export const Concat = defineOp({
  type: 'Concat',
  since: 13,
  attrs: { axis: int(0) },
  infer({ x, a, fail }) {
    const [first] = x
    const axis = axisIn(a.axis, first.shape.length, fail)
    for (const t of x) {
      if (t.dtype !== first.dtype) fail(`element types differ: ${first.dtype} and ${t.dtype}`)
      if (t.shape.length !== first.shape.length || t.shape.some((d, i) => i !== axis && d !== first.shape[i]))
        fail(`${showShape(first.shape)} and ${showShape(t.shape)} differ outside of axis ${axis}`)
    }
    return [{ dtype: first.dtype, shape: first.shape.map((d, i) => (i === axis ? x.reduce((n, t) => n + t.shape[axis]!, 0) : d)) }]
  },
  grad({ x, dy: [dy], a }) {
    const axis = axisIn(a.axis, dy.rank, fault)
    return dy.split(
      x.map((t: Tensor) => t.shape[axis]!),
      axis,
    )
  },
  fold({ x, y: [y], a }) {
    if (x.some((t) => !t || !isPlain(t.dtype))) return undefined
    const axis = axisIn(a.axis, y!.shape.length, fault)
    const inner = sizeOf(y!.shape.slice(axis + 1))
    const runs = x.map((t) => ({ data: t!.data, length: t!.dims[axis]! * inner }))
    const row = y!.shape[axis]! * inner
    return [
      gatherParts(y!.dtype, y!.shape, (i) => {
        const outer = Math.floor(i / row)
        let at = i % row
        for (const { data, length } of runs) {
          if (at < length) return [data, outer * length + at]
          at -= length
        }
        return fault('concat ran past its parts')
      }),
    ]
  },
  simplify: ({ x }) => (x.length === 1 ? x[0] : undefined),
  cost: () => 0,
  channels: ({ x, y: [y], a }) => {
    const axis = axisIn(a.axis, y.shape.length, fault)
    return x.flatMap((_, k) => y.shape.flatMap((_, i): Tie[] => (i === axis ? [] : [{ a: [`x${k}`, i], b: ['y0', i] }])))
  },
  examples: [
    {
      x: [
        [2, 3],
        [2, 1],
        [2, 2],
      ],
      a: { axis: 1 },
    },
    {
      x: [
        [2, 3],
        [1, 3],
      ],
      a: { axis: -2 },
    },
    { x: [[4]], a: { axis: 0 } },
  ],
})

/** Parts of given sizes, of equal sizes, or (from opset 18) of a given number with a smaller last one. */
export const Split = defineOp({
  type: 'Split',
  since: 13,
  attrs: { axis: int(0), num_outputs: int() },
  infer({ x: [x], a, opt, known, outputs, fail }) {
    const axis = axisIn(a.axis, x.shape.length, fail)
    const size = x.shape[axis]!
    const count = a.num_outputs ?? outputs
    const part = Math.ceil(size / count)
    if (!opt(1) && size - (count - 1) * Math.ceil(size / count) <= 0)
      fail(`${count} parts of an axis of ${size}: the last would be empty`)
    if (!opt(1) && a.num_outputs === undefined && size % count !== 0)
      fail(`axis ${axis} of size ${size} does not divide into ${count} equal parts`)
    const sizes = opt(1) ? known(1, 'split') : Array.from({ length: count }, (_, i) => Math.min(part, size - i * part))
    if (sizes.length !== outputs || sizes.some((d) => d < 0) || sizes.reduce((n, d) => n + d, 0) !== size)
      fail(`parts ${showShape(sizes)} for ${outputs} outputs of axis ${axis} of size ${size}`)
    return sizes.map((d) => ({ dtype: x.dtype, shape: x.shape.map((e, i) => (i === axis ? d : e)) }))
  },
  grad: ({ y, dy, a }) => [
    concat(
      y.map((_: Tensor, i: number) => dy[i]!),
      a.axis,
    ),
  ],
  fold({ x: [x], y, a }) {
    if (!x) return undefined
    const axis = axisIn(a.axis, x.dims.length, fault)
    const own = strides(x.dims)
    let start = 0
    return y.map((t) => {
      const part = pick(x, t.shape, viewIndex(t.shape, own, start))
      start += t.shape[axis]! * own[axis]!
      return part
    })
  },
  simplify: ({ x: [x], y }) => (y.length === 1 ? x : undefined),
  cost: () => 0,
  channels: ({ x: [x], y, a }) => {
    const axis = axisIn(a.axis, x.shape.length, fault)
    return y.flatMap((_, k) => x.shape.flatMap((_, i): Tie[] => (i === axis ? [] : [{ a: ['x0', i], b: [`y${k}`, i] }])))
  },
  examples: [
    { x: [[2, 6], ints64(1, 3, 2)], a: { axis: 1 }, outputs: 3 },
    { x: [[4, 3]], a: { num_outputs: 2 }, outputs: 2 },
    { x: [[2, 5]], a: { axis: -1, num_outputs: 3 }, outputs: 3 },
  ],
})

interface Range {
  start: number
  step: number
  count: number
}

/** Range of each axis, by NumPy's rules: negative positions count from the end, positions beyond the ends are cut. */
function ranges(
  shape: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
  axes: readonly number[],
  steps: readonly number[],
): Range[] {
  const out = shape.map((d): Range => ({ start: 0, step: 1, count: d }))
  axes.forEach((axis, k) => {
    const d = shape[axis]!
    const step = steps[k] ?? 1
    const cut = (v: number, lo: number, hi: number) => Math.min(hi, Math.max(lo, v < 0 ? v + d : v))
    const [start, end] =
      step > 0 ? [cut(starts[k]!, 0, d), cut(ends[k]!, 0, d)] : [cut(starts[k]!, 0, d - 1), cut(ends[k]!, -1, d - 1)]
    out[axis] = { start, step, count: Math.max(0, Math.ceil((end - start) / step)) }
  })
  return out
}

/** Ranges of a call whose inputs are known. */
function callRanges(x: { shape: readonly number[] }, value: (i: number) => readonly number[] | undefined): Range[] {
  const starts = value(1)!
  const axes = value(3)?.map((i) => (i < 0 ? i + x.shape.length : i)) ?? starts.map((_, i) => i)
  return ranges(x.shape, starts, value(2)!, axes, value(4) ?? starts.map(() => 1))
}

/** Puts the gradient of a slice back: spread by the step, turned where the step is negative, zeros around. */
function unslice(dy: Tensor, shape: readonly number[], of: readonly Range[]): Tensor {
  if (dy.size === 0) return dy.b.zeros(shape, dy.dtype)
  let d = dy
  const pads = new Array<number>(2 * shape.length).fill(0)
  of.forEach(({ start, step, count }, axis) => {
    const s = Math.abs(step)
    if (step < 0) d = d.slice([-1], [Number.MIN_SAFE_INTEGER], [axis], [-1])
    if (s > 1 && count > 1) {
      const spread = new Array<number>(2 * (d.rank + 1)).fill(0)
      spread[d.rank + 1 + axis + 1] = s - 1
      const to = d.shape.map((e, i) => (i === axis ? e * s : e))
      d = d
        .unsqueeze([axis + 1])
        .pad(spread)
        .reshape(to)
        .slice([0], [(count - 1) * s + 1], [axis])
    }
    const low = step > 0 ? start : start + (count - 1) * step
    pads[axis] = low
    pads[shape.length + axis] = shape[axis]! - low - d.shape[axis]!
  })
  return pads.some((p) => p !== 0) ? d.pad(pads) : d
}

export const Slice = defineOp({
  type: 'Slice',
  since: 13,
  attrs: {},
  infer({ x: [x], opt, known, fail }) {
    const starts = known(1, 'starts')
    const ends = known(2, 'ends')
    const axes = opt(3) ? axesIn(known(3, 'axes'), x.shape.length, fail) : starts.map((_, i) => i)
    const steps = opt(4) ? known(4, 'steps') : starts.map(() => 1)
    if (
      ends.length !== starts.length ||
      axes.length !== starts.length ||
      steps.length !== starts.length ||
      starts.length > x.shape.length
    )
      fail(`${starts.length} starts, ${ends.length} ends, ${axes.length} axes, ${steps.length} steps for ${x.shape.length} axes`)
    if (steps.includes(0)) fail('a step is 0')
    return [{ dtype: x.dtype, shape: ranges(x.shape, starts, ends, axes, steps).map((r) => r.count) }]
  },
  grad: ({ x, dy: [dy] }) => [unslice(dy, x[0].shape, callRanges(x[0], knownValues(x)))],
  fold({ x, types, y: [y] }) {
    const [data] = x
    if (!data || types.some((t, i) => t && !x[i])) return undefined
    const of = callRanges({ shape: data.dims }, (i) => x[i] && Array.from(x[i].numbers()))
    const own = strides(data.dims)
    const offset = of.reduce((n, r, i) => n + r.start * own[i]!, 0)
    const part = pick(
      data,
      y!.shape,
      viewIndex(
        y!.shape,
        own.map((s, i) => s * of[i]!.step),
        offset,
      ),
    )
    return part && [part]
  },
  simplify({ x }) {
    const of = callRanges(x[0], knownValues(x))
    return of.every((r, i) => r.start === 0 && r.step === 1 && r.count === x[0].shape[i]) ? x[0] : undefined
  },
  cost: () => 0,
  channels: ({ x: [x], y: [y] }) => tieAxes(x.shape.length, (i) => x.shape[i] === y.shape[i]),
  examples: [
    { x: [[4, 5], ints64(1, 0), ints64(3, -1)] },
    { x: [[3, 7], ints64(-1), ints64(-100), ints64(1), ints64(-2)] },
    { x: [[2, 7, 3], ints64(1), ints64(1000), ints64(-2), ints64(3)] },
    { x: [[5], ints64(4), ints64(-1000), ints64(0), ints64(-1)] },
  ],
})

export const Expand = defineOp({
  type: 'Expand',
  since: 13,
  attrs: {},
  infer({ x: [x], known, fail }) {
    const wanted = known(1, 'shape')
    const shape = broadcast(x.shape, wanted) ?? fail(`${showShape(x.shape)} does not broadcast to ${showShape(wanted)}`)
    return [{ dtype: x.dtype, shape }]
  },
  grad: ({ dy: [dy] }) => [dy],
  // Float constants stay expanded scalars: rules see their one value, and the file stays small.
  fold({ x: [x], y: [y] }) {
    if (!x || (x.dtype !== 'int64' && sizeOf(y!.shape) > 64)) return undefined
    const wide = pick(x, y!.shape, broadcastIndex(x.dims, y!.shape))
    return wide && [wide]
  },
  simplify({ x: [x], y: [y] }) {
    if (sameShape(x.shape, y!.shape)) return x
    return madeBy(x, 'Expand')?.inputs[0]!.expand(y!.shape)
  },
  cost: () => 0,
  channels: ({ x: [x], y: [y] }) => broadcastTies([x], y),
  examples: [{ x: [[2, 1], ints64(3, 1, 4)] }, { x: [[3], ints64(1)] }],
})

export const Tile = defineOp({
  type: 'Tile',
  since: 13,
  attrs: {},
  infer({ x: [x], known, fail }) {
    const repeats = known(1, 'repeats')
    if (repeats.length !== x.shape.length) fail(`${repeats.length} repeats for ${x.shape.length} axes`)
    return [{ dtype: x.dtype, shape: x.shape.map((d, i) => d * repeats[i]!) }]
  },
  grad({ x: [x], y: [y], dy: [dy] }) {
    const parts = x.shape.flatMap((d, i) => [d === 0 ? 0 : y.shape[i]! / d, d])
    return [dy.reshape(parts).sum(x.shape.map((_, i) => 2 * i))]
  },
  simplify: ({ x: [x], y: [y] }) => (sameShape(x.shape, y!.shape) ? x : undefined),
  cost: () => 0,
  channels: ({ x: [x], y: [y] }) => tieAxes(x.shape.length, (i) => x.shape[i] === y.shape[i]),
  examples: [{ x: [[2, 3], ints64(2, 2)] }, { x: [[4], ints64(3)] }],
})

const blocks = (x: { shape: readonly number[] }, fail: (message: string) => never): [number, number, number, number] => {
  if (x.shape.length !== 4) fail(`expected [N, C, H, W], found ${showShape(x.shape)}`)
  return x.shape as [number, number, number, number]
}

/** Channels to blocks of pixels; DCR takes the block position from the outer part of the channel, CRD from the inner. */
export const DepthToSpace = defineOp({
  type: 'DepthToSpace',
  since: 13,
  attrs: { blocksize: int(1), mode: string('DCR') },
  infer({ x: [x], a: { blocksize: k }, fail }) {
    const [n, c, h, w] = blocks(x, fail)
    if (c % (k * k) !== 0) fail(`${c} channels do not divide into blocks of ${k} by ${k}`)
    return [{ dtype: x.dtype, shape: [n, c / (k * k), h * k, w * k] }]
  },
  grad({ x: [x], y: [y], dy: [dy], a: { blocksize: k, mode } }) {
    if (mode !== 'CRD') return [dy.emit('SpaceToDepth', [], { blocksize: k })]
    const [n, c, h, w] = [y.shape[0]!, y.shape[1]!, x.shape[2]!, x.shape[3]!]
    return [dy.reshape([n, c, h, k, w, k]).transpose([0, 1, 3, 5, 2, 4]).reshape(x.shape)]
  },
  cost: () => 0,
  channels: ({ a }): Tie[] => [
    { a: ['x0', 0], b: ['y0', 0] },
    ...(a.mode === 'CRD' ? [{ a: ['y0', 1], b: ['x0', 1], repeat: a.blocksize ** 2 } as const] : []),
  ],
  examples: [
    { x: [[2, 8, 2, 3]], a: { blocksize: 2 } },
    { x: [[1, 8, 2, 3]], a: { blocksize: 2, mode: 'CRD' } },
  ],
})

export const SpaceToDepth = defineOp({
  type: 'SpaceToDepth',
  since: 13,
  attrs: { blocksize: int(1) },
  infer({ x: [x], a: { blocksize: k }, fail }) {
    const [n, c, h, w] = blocks(x, fail)
    if (h % k !== 0 || w % k !== 0) fail(`${h} by ${w} pixels do not divide into blocks of ${k} by ${k}`)
    return [{ dtype: x.dtype, shape: [n, c * k * k, h / k, w / k] }]
  },
  grad: ({ dy: [dy], a }) => [dy.emit('DepthToSpace', [], { blocksize: a.blocksize })],
  cost: () => 0,
  channels: () => [{ a: ['x0', 0], b: ['y0', 0] }],
  examples: [{ x: [[2, 2, 4, 6]], a: { blocksize: 2 } }],
})
