import { axisOf, sizeOf, strides, type DataType } from '../../ir/index.ts'
import { int, ints } from '../attrs.ts'
import { defineOp, type Example, type ExampleInput, type OpRule } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { axesIn, tieAxes } from './axes.ts'
import { exact, isPlain, uniform, viewIndex } from './values.ts'

export interface ReductionSpec {
  /** Floating-point operations of one input element. */
  flops: number
  /** Gradient of the input. `y` and `dy` have their reduced axes kept as 1; `n` elements go into one. */
  grad: (ctx: { x: Tensor; y: Tensor; dy: Tensor; axes: readonly number[]; n: number }) => Tensor
  /** One output element from the elements that go into it. */
  value?: (v: readonly number[], dtype: DataType) => number
  /** Output for inputs that all have one value. */
  uniform?: (v: number, n: number) => number
  /** Reducing one element returns it. */
  identity?: boolean
  /** Properties of the example inputs: range, distinct values. */
  input?: Omit<Extract<ExampleInput, { shape: readonly number[] }>, 'shape'>
  away?: readonly number[]
}

interface Call {
  readonly axes: readonly number[] | undefined
  readonly keep: number
  readonly noop?: number
}

const CALLS: readonly Call[] = [
  { axes: [1], keep: 1 },
  { axes: [0, -1], keep: 0 },
  { axes: undefined, keep: 0 },
]

const EMPTY_AXES: readonly Call[] = [
  { axes: undefined, keep: 1, noop: 1 },
  { axes: [], keep: 1, noop: 1 },
  { axes: [], keep: 0 },
]

/** Reduced axes of a call, sorted. Without axes all are, or none where the attribute says so. */
export function reducedAxes(rank: number, axes: readonly number[] | undefined, noop: number): number[] {
  if (axes?.length) return axes.map((a) => axisOf(a, rank)).sort((p, q) => p - q)
  return noop ? [] : Array.from({ length: rank }, (_, i) => i)
}

const reducedShape = (shape: readonly number[], axes: readonly number[], keep: boolean): number[] =>
  keep ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i))

const numbersOf = (t: Tensor) => t.value && Array.from(t.value.numbers())

function build(type: string, since: number, spec: ReductionSpec, axesInput: boolean): OpRule {
  const attrs = { keepdims: int(1), noop_with_empty_axes: int(0), axes: ints() }
  const axesOf = (
    rank: number,
    a: { axes: readonly number[] | undefined; noop_with_empty_axes: number },
    input: readonly number[] | undefined,
  ) => reducedAxes(rank, axesInput ? input : a.axes, a.noop_with_empty_axes)
  const input: ExampleInput = { shape: [2, 3, 4], ...spec.input }
  const example = ({ axes, keep, noop }: Call): Example => ({
    x: axesInput && axes ? [input, { shape: [axes.length], dtype: 'int64', values: axes }] : [input],
    a: { keepdims: keep, ...(axesInput || !axes ? {} : { axes }), ...(noop ? { noop_with_empty_axes: 1 } : {}) },
    ...(spec.away ? { away: spec.away } : {}),
  })
  return defineOp({
    type,
    since,
    attrs,
    infer({ x: [x], a, opt, known, fail }) {
      const wanted = axesInput && opt(1) ? known(1, 'axes') : undefined
      axesIn((axesInput ? wanted : a.axes) ?? [], x.shape.length, fail)
      return [{ dtype: x.dtype, shape: reducedShape(x.shape, axesOf(x.shape.length, a, wanted), a.keepdims !== 0) }]
    },
    grad({ x: [x], y: [y], dy: [dy], a, opt }) {
      if (x.size === 0) return [x]
      const axes = axesOf(x.rank, a, opt(1) && numbersOf(opt(1)!))
      const kept = reducedShape(x.shape, axes, true)
      const keep = (t: Tensor) => (a.keepdims ? t : t.reshape(kept))
      const n = axes.reduce((m, i) => m * x.shape[i]!, 1)
      return [spec.grad({ x, y: keep(y), dy: keep(dy), axes, n })]
    },
    fold({ x: [x, axesData], types, y: [y], a }) {
      if (!x || !spec.value || !isPlain(x.dtype) || (types[1] && !axesData)) return undefined
      const axes = axesOf(x.dims.length, a, axesData && Array.from(axesData.numbers()))
      const own = strides(x.dims)
      const rest = x.dims.map((_, i) => i).filter((i) => !axes.includes(i))
      const starts = viewIndex(
        rest.map((i) => x.dims[i]!),
        rest.map((i) => own[i]!),
      )
      const inner = viewIndex(
        axes.map((i) => x.dims[i]!),
        axes.map((i) => own[i]!),
      )
      const v = x.numbers()
      const folded = exact(
        y!,
        Array.from(starts, (s) =>
          spec.value!(
            Array.from(inner, (k) => v[s + k]!),
            x.dtype,
          ),
        ),
      )
      return folded && [folded]
    },
    simplify({ x: [x], y: [y], b }) {
      const n = sizeOf(x.shape) / sizeOf(y!.shape)
      const v = spec.uniform && n > 0 ? uniform(x) : undefined
      if (v !== undefined) return b.full(y!.shape, spec.uniform!(v, n), y!.dtype)
      return spec.identity && n === 1 ? x.reshape(y!.shape) : undefined
    },
    cost: ({ x: [x] }) => spec.flops * sizeOf(x.shape),
    channels({ x: [x, input], y: [y], a }) {
      if (a.keepdims) return tieAxes(x.shape.length, (i) => x.shape[i] === y.shape[i])
      // Without the values of the axes input, it is unknown which axes were dropped.
      if (axesInput && input && !('value' in input && input.value)) return []
      const axes = axesOf(x.shape.length, a, input && numbersOf(input as Tensor))
      const rest = x.shape.map((_, i) => i).filter((i) => !axes.includes(i))
      return tieAxes(
        x.shape.length,
        (i) => rest.includes(i),
        (i) => rest.indexOf(i),
      )
    },
    examples: [...CALLS, ...(axesInput ? EMPTY_AXES : [])].map(example),
  })
}

/** A reduction whose axes are its second input. */
export const reduction = (type: string, since: number, spec: ReductionSpec): OpRule => build(type, since, spec, true)

/** A reduction of opsets 13 to 17, whose axes are an attribute. */
export const reductionByAttribute = (type: string, spec: ReductionSpec): OpRule => build(type, 13, spec, false)
