import { broadcast, sameShape, showShape, sizeOf, type DataType } from '../../ir/index.ts'
import type { AttrSpec, AttrValues } from '../attrs.ts'
import type { Builder } from '../builder.ts'
import {
  defineOp,
  type Example,
  type GradContext,
  type InferContext,
  type OpRule,
  type Slots,
  type TensorType,
  type Tie,
} from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { foldElementwise, madeBy } from './values.ts'

type Local<S extends AttrSpec> = (ctx: GradContext<AttrValues<S>>, input: number) => Tensor | null

export interface ElementwiseSpec<S extends AttrSpec> {
  since?: number
  attrs?: S
  /** Floating-point operations of one element. */
  flops: number
  /** Element type of the output; the first input's where left out. */
  dtype?: DataType
  /** Inputs whose element type may differ from the first one's. */
  mixed?: boolean
  /** Gradient of each input (the last one serves all that follow), asked for only where it is needed. */
  grad: 'zero' | readonly Local<S>[]
  /** Value of one element, for constants. Exact in the element type when computed in double. */
  value?: (v: readonly number[], a: AttrValues<S>, dtype: DataType) => number
  simplify?: (ctx: { x: Slots<Tensor>; a: AttrValues<S>; y: readonly TensorType[]; b: Builder }) => Tensor | undefined
  examples: readonly Example[]
}

/** Shape that all present inputs broadcast to. */
export function broadcastAll(inputs: readonly (TensorType | undefined)[], fail: (message: string) => never): number[] {
  let shape: number[] = []
  for (const x of inputs)
    if (x)
      shape =
        broadcast(shape, x.shape) ?? fail(`shapes do not broadcast: ${inputs.map((t) => t && showShape(t.shape)).join(' with ')}`)
  return shape
}

/** Every axis of every input belongs to the output's, where it is not stretched. */
export const broadcastTies = (x: readonly (TensorType | undefined)[], y: TensorType): Tie[] =>
  x.flatMap((t, k) => {
    const lead = y.shape.length - (t?.shape.length ?? 0)
    return (t?.shape ?? []).flatMap((d, i): Tie[] => (d === y.shape[i + lead] ? [{ a: [`x${k}`, i], b: ['y0', i + lead] }] : []))
  })

/** Elementwise work is done before an expansion, not after it: f(expand(s)) = expand(f(s)). */
export function beforeExpand(
  type: string,
  { x, a, y, b }: { x: Slots<Tensor>; a: object; y: readonly TensorType[]; b: Builder },
): Tensor | undefined {
  const sources = x.map((t: Tensor | undefined) => (t && madeBy(t, 'Expand')?.inputs[0]) ?? t)
  if (sources.every((t, i) => t === x[i])) return undefined
  return b.emit(type, sources, a as Record<string, never>)[0]!.expand(y[0]!.shape)
}

/** An operator that works element by element on inputs that broadcast. */
export function elementwise<S extends AttrSpec = Record<never, never>>(type: string, spec: ElementwiseSpec<S>): OpRule {
  const { grad, value } = spec
  return defineOp<S>({
    type,
    since: spec.since ?? 13,
    attrs: spec.attrs ?? ({} as S),
    infer(ctx: InferContext<AttrValues<S>>) {
      const { x, fail } = ctx
      const present = x.filter((t: TensorType | undefined) => t !== undefined)
      if (present.length === 0) fail('expected at least one input')
      const other = spec.mixed ? undefined : present.find((t) => t.dtype !== present[0]!.dtype)
      if (other) fail(`element types differ: ${present[0]!.dtype} and ${other.dtype}`)
      return [{ dtype: spec.dtype ?? x[0].dtype, shape: broadcastAll(x, fail) }]
    },
    grad:
      grad === 'zero'
        ? 'zero'
        : (ctx) => ctx.x.map((t: Tensor | undefined, i) => (t && ctx.need[i] ? grad[Math.min(i, grad.length - 1)]!(ctx, i) : null)),
    ...(value
      ? {
          fold: ({ x, y, a }) => {
            const folded = foldElementwise(x, y[0]!, (...v) => value(v, a, y[0]!.dtype))
            return folded && [folded]
          },
        }
      : {}),
    simplify: (ctx) => spec.simplify?.(ctx) ?? beforeExpand(type, ctx),
    cost: ({ x, y: [y] }) => spec.flops * Math.max(1, x.length - 1) * sizeOf(y.shape),
    channels: ({ x, y: [y] }) => broadcastTies(x, y),
    examples: spec.examples,
  })
}

export interface UnarySpec<S extends AttrSpec> extends Omit<ElementwiseSpec<S>, 'grad' | 'value' | 'examples'> {
  grad: 'zero' | Local<S>
  /** Exact value of one element, for constants. */
  value?: (v: number) => number
  examples?: readonly Example[]
}

/** An elementwise function of one input. */
export const unary = <S extends AttrSpec = Record<never, never>>(type: string, spec: UnarySpec<S>): OpRule => {
  const { grad, value, examples, ...rest } = spec
  return elementwise<S>(type, {
    ...rest,
    grad: grad === 'zero' ? 'zero' : [grad],
    ...(value ? { value: ([v]) => value(v!) } : {}),
    examples: examples ?? [{ x: [[2, 3]] }, { x: [[4]] }],
  })
}

/** The tensor where it already has the wanted type and shape. */
export const asIs = (t: Tensor, y: TensorType): Tensor | undefined =>
  t.dtype === y.dtype && sameShape(t.shape, y.shape) ? t : undefined
