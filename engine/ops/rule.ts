import type { DataType, TensorData } from '../ir/index.ts'
import type { AttrSpec, AttrValues } from './attrs.ts'
import type { Builder } from './builder.ts'
import type { Tensor } from './tensor.ts'

/** Domain of the operators that exist only inside the compiler; `lower` turns them into standard ones. */
export const PRIVATE = 'stillroom'

/** Element type and exact shape. Training graphs are built for one batch size, so every dimension is a number. */
export interface TensorType {
  readonly dtype: DataType
  readonly shape: readonly number[]
}

/** Inputs or outputs by position. Optional ones may be absent: read those through `opt`. */
export type Slots<T> = readonly [T, T, T, T, T, T, ...T[]]

export interface InferContext<A> {
  readonly x: Slots<TensorType>
  readonly a: A
  /** Number of outputs asked for. */
  readonly outputs: number
  /** Opset of the graph. */
  readonly opset: number
  /** Optional input, undefined where it is left out. */
  opt(i: number): TensorType | undefined
  /** Values of an input that is a known constant (shape data, axes), undefined otherwise. */
  value(i: number): number[] | undefined
  /** Values of an input that the operator needs as a constant; an error that names the input where it is not one. */
  known(i: number, what: string): number[]
  /** Reports a model error at this node. */
  fail(message: string): never
}

export interface GradContext<A> {
  readonly b: Builder
  readonly x: Slots<Tensor>
  readonly y: Slots<Tensor>
  /** Gradients of the outputs; zeros where an output has none. */
  readonly dy: Slots<Tensor>
  readonly a: A
  /** Which outputs have a gradient at all (the others' `dy` are zeros). */
  readonly given: readonly boolean[]
  /** Which inputs want a gradient; entries for others are ignored. */
  readonly need: readonly boolean[]
  opt(i: number): Tensor | undefined
}

export interface ExpandContext<A> {
  readonly b: Builder
  readonly x: Slots<Tensor>
  readonly a: A
  /** Number of outputs asked for. */
  readonly outputs: number
  /** The node, for messages. */
  readonly where?: string
  opt(i: number): Tensor | undefined
}

export interface FoldContext<A> {
  /** Inputs whose values are known. */
  readonly x: readonly (TensorData | undefined)[]
  readonly types: readonly (TensorType | undefined)[]
  readonly y: readonly TensorType[]
  readonly a: A
}

/** Gradient of each input: a tensor (broadcast inputs are summed to their shape by the walk), or null for none. */
export type GradResult = readonly (Tensor | null | undefined)[]

export type Gradient<A> =
  | { grad(ctx: GradContext<A>): GradResult }['grad']
  /** Constant almost everywhere: gradients stop here. */
  | 'zero'
  /** That of `expand`. */
  | 'expand'
  /** Not differentiable; the reason is shown to the user. */
  | { readonly none: string }

/** Two axes of equal meaning: they are scaled and pruned together. `size(b) = repeat * size(a)`, each unit of `a` being `repeat` neighbours in `b`. */
export interface Tie {
  readonly a: readonly [slot: `${'x' | 'y'}${number}`, axis: number]
  readonly b: readonly [slot: `${'x' | 'y'}${number}`, axis: number]
  readonly repeat?: number
}

/** An input of an example: a float shape (values in [-2, 2]), or one with its own range, type, or fixed values. */
export type ExampleInput =
  | readonly number[]
  | null
  | {
      readonly shape: readonly number[]
      readonly range?: readonly [lo: number, hi: number]
      readonly dtype?: DataType
      /** A constant (axes, shapes, indices), known to the compiler. */
      readonly values?: readonly number[]
      /** Distinct, well separated values, for operators that compare elements (max pooling). */
      readonly distinct?: boolean
    }
  /** The same tensor as an earlier input. */
  | { readonly sameAs: number }

export interface Example {
  readonly x: readonly ExampleInput[]
  readonly a?: Record<string, unknown>
  readonly outputs?: number
  /** Input values to stay clear of (kinks). */
  readonly away?: readonly number[]
}

/**
 * Everything that is known about one operator, in one place. A new operator is one constant in its family's file; an operator
 * whose meaning changes with the opset is a second constant with another `since`.
 */
export interface OpRule<S extends AttrSpec = AttrSpec> {
  readonly type: string
  readonly domain?: string
  /** First opset of this definition. Graphs are upgraded to the working opset before rules are asked. */
  readonly since: number
  readonly attrs: S
  /** Types of the outputs. */
  infer(ctx: InferContext<AttrValues<S>>): TensorType[]
  readonly grad: Gradient<AttrValues<S>>
  /** The same outputs in simpler operators: differentiated when `grad` is 'expand', and the default lowering of private operators. */
  expand?(ctx: ExpandContext<AttrValues<S>>): Tensor[]
  /** Values of the outputs where they can be told while building (shape arithmetic, scalars); undefined where not. */
  fold?(ctx: FoldContext<AttrValues<S>>): (TensorData | undefined)[] | undefined
  /** An equal, simpler tensor for the first output (x + 0, a reshape to the same shape); undefined where there is none. */
  simplify?(ctx: { x: Slots<Tensor>; a: AttrValues<S>; y: readonly TensorType[]; b: Builder }): Tensor | undefined
  /** Floating-point operations of one call. Multiply-accumulates count as two. */
  cost?(ctx: { x: Slots<TensorType>; y: Slots<TensorType>; a: AttrValues<S> }): number
  /** Axes that belong together, for width scaling and structured pruning. */
  channels?(ctx: { x: Slots<TensorType>; y: Slots<TensorType>; a: AttrValues<S> }): Tie[]
  /** Inputs that a quantizer may quantize; `weight` names the parameter input and the axis of its output channels. */
  readonly quant?: { readonly inputs: readonly number[]; readonly weight?: { readonly input: number; readonly axis: number } }
  /**
   * Its integer outputs stand for real numbers (quantized tensors): in differentiation they carry gradients, in floats, which its own rule and that of
   * the operator that reads them must give meaning to.
   */
  readonly straightThrough?: boolean
  /**
   * Why the shapes of the outputs depend on data. `infer` may then fail, and the node is kept without a rule where a run told its types: it has no
   * gradient, for this reason.
   */
  readonly dataDependent?: string
  /** Draws random numbers: never merged with an equal call. */
  readonly random?: boolean
  /** Calls that the generated tests make: shapes against ONNX Runtime, gradients of both orders against differences. */
  readonly examples: readonly Example[]
}

/** Declares an operator rule; attribute types flow from `attrs` into the functions. */
export const defineOp = <S extends AttrSpec>(rule: OpRule<S>): OpRule => rule

/** Rules by domain, type and opset. */
export class RuleBook {
  readonly rules: readonly OpRule[]
  readonly #byKey = new Map<string, OpRule[]>()

  constructor(rules: readonly OpRule[]) {
    this.rules = rules
    for (const rule of rules) {
      const key = `${rule.domain ?? ''}:${rule.type}`
      const list = this.#byKey.get(key) ?? []
      list.push(rule)
      list.sort((p, q) => q.since - p.since)
      this.#byKey.set(key, list)
    }
  }

  /** The newest definition that is not newer than `opset`. */
  find(op: string, domain: string, opset: number): OpRule | undefined {
    return this.#byKey.get(`${domain}:${op}`)?.find((rule) => domain !== '' || rule.since <= opset)
  }
}
