import { BugError } from '../errors.ts'
import { axisOf, broadcast, DATA_TYPES, isFloat, sameShape, showShape, type DataType, type TensorData } from '../ir/index.ts'
import type { AttrValue } from './attrs.ts'
import type { Builder, EmitOptions } from './builder.ts'

export type Operand = Tensor | number

export interface ConvOptions {
  strides?: readonly number[] | undefined
  /** Begin pads of each spatial axis, then end pads. */
  pads?: readonly number[] | undefined
  dilations?: readonly number[] | undefined
  group?: number | undefined
}

export interface PoolOptions extends Omit<ConvOptions, 'group'> {
  kernel: readonly number[]
  ceilMode?: boolean | undefined
}

/**
 * A symbolic value with an element type and an exact shape. Methods append one ONNX node each to the builder's graph and return
 * its output; numbers become constants of the same element type. Losses, methods, templates and gradient rules are written
 * with this and nothing else.
 */
export class Tensor {
  readonly b: Builder
  readonly id: number
  readonly name: string
  readonly dtype: DataType
  readonly shape: readonly number[]
  /** The value, where it is known while building. */
  readonly value: TensorData | undefined
  /** Index of the step that makes it; -1 for inputs and constants. */
  readonly step: number
  readonly output: number

  constructor(
    b: Builder,
    id: number,
    name: string,
    dtype: DataType,
    shape: readonly number[],
    more: { value?: TensorData | undefined; step: number; output: number },
  ) {
    this.b = b
    this.id = id
    this.name = name
    this.dtype = dtype
    this.shape = shape
    this.value = more.value
    this.step = more.step
    this.output = more.output
  }

  get rank(): number {
    return this.shape.length
  }

  get size(): number {
    return this.shape.reduce((n, d) => n * d, 1)
  }

  toString(): string {
    return `${this.name}: ${this.dtype}${showShape(this.shape)}`
  }

  /** The single number of a known scalar (or constant filled with one value), undefined otherwise. */
  get scalarValue(): number | undefined {
    if (!this.value || this.value.size !== 1 || this.value.dtype === 'string') return undefined
    return this.value.numbers()[0]
  }

  /** A number as a constant of this element type; a tensor as it is. */
  lift(v: Operand): Tensor {
    return typeof v === 'number' ? this.b.scalar(v, this.dtype) : this.b.own(v)
  }

  emit(
    op: string,
    others: readonly (Tensor | undefined)[] = [],
    attrs: Record<string, AttrValue> = {},
    options: EmitOptions = {},
  ): Tensor {
    return this.b.emit(op, [this, ...others], attrs, options)[0]!
  }

  // Arithmetic, with NumPy broadcasting.
  add(o: Operand): Tensor {
    return this.emit('Add', [this.lift(o)])
  }
  sub(o: Operand): Tensor {
    return this.emit('Sub', [this.lift(o)])
  }
  mul(o: Operand): Tensor {
    return this.emit('Mul', [this.lift(o)])
  }
  div(o: Operand): Tensor {
    return this.emit('Div', [this.lift(o)])
  }
  pow(o: Operand): Tensor {
    return this.emit('Pow', [this.lift(o)])
  }
  /** `o - this` */
  rsub(o: number): Tensor {
    return this.lift(o).sub(this)
  }
  /** `o / this` */
  rdiv(o: number): Tensor {
    return this.lift(o).div(this)
  }
  maximum(o: Operand): Tensor {
    return this.emit('Max', [this.lift(o)])
  }
  minimum(o: Operand): Tensor {
    return this.emit('Min', [this.lift(o)])
  }
  neg(): Tensor {
    return this.emit('Neg')
  }
  abs(): Tensor {
    return this.emit('Abs')
  }
  sign(): Tensor {
    return this.emit('Sign')
  }
  square(): Tensor {
    return this.mul(this)
  }
  sqrt(): Tensor {
    return this.emit('Sqrt')
  }
  reciprocal(): Tensor {
    return this.emit('Reciprocal')
  }
  exp(): Tensor {
    return this.emit('Exp')
  }
  log(): Tensor {
    return this.emit('Log')
  }
  sin(): Tensor {
    return this.emit('Sin')
  }
  cos(): Tensor {
    return this.emit('Cos')
  }
  erf(): Tensor {
    return this.emit('Erf')
  }
  floor(): Tensor {
    return this.emit('Floor')
  }
  round(): Tensor {
    return this.emit('Round')
  }

  // Activations.
  relu(): Tensor {
    return this.emit('Relu')
  }
  sigmoid(): Tensor {
    return this.emit('Sigmoid')
  }
  tanh(): Tensor {
    return this.emit('Tanh')
  }
  softplus(): Tensor {
    return this.emit('Softplus')
  }
  clip(lo: number, hi: number): Tensor {
    return this.emit('Clip', [this.lift(lo), this.lift(hi)])
  }
  softmax(axis = -1): Tensor {
    return this.emit('Softmax', [], { axis })
  }
  logSoftmax(axis = -1): Tensor {
    return this.emit('LogSoftmax', [], { axis })
  }

  // Comparisons and masks.
  greater(o: Operand): Tensor {
    return this.emit('Greater', [this.lift(o)])
  }
  less(o: Operand): Tensor {
    return this.emit('Less', [this.lift(o)])
  }
  greaterOrEqual(o: Operand): Tensor {
    return this.emit('GreaterOrEqual', [this.lift(o)])
  }
  lessOrEqual(o: Operand): Tensor {
    return this.emit('LessOrEqual', [this.lift(o)])
  }
  equal(o: Operand): Tensor {
    return this.emit('Equal', [this.lift(o)])
  }
  cast(to: DataType): Tensor {
    return castTo(this, to)
  }
  /** Cast to the element type of another tensor. */
  like(other: Tensor): Tensor {
    return castTo(this, other.dtype)
  }

  // Reductions; `axes` undefined reduces all.
  sum(axes?: readonly number[], keep = false): Tensor {
    return this.#reduce('ReduceSum', axes, keep)
  }
  mean(axes?: readonly number[], keep = false): Tensor {
    return this.#reduce('ReduceMean', axes, keep)
  }
  max(axes?: readonly number[], keep = false): Tensor {
    return this.#reduce('ReduceMax', axes, keep)
  }
  min(axes?: readonly number[], keep = false): Tensor {
    return this.#reduce('ReduceMin', axes, keep)
  }
  #reduce(op: string, axes: readonly number[] | undefined, keep: boolean): Tensor {
    const all = axes ?? this.shape.map((_, i) => i)
    if (all.length === 0) return this
    const list = all.map((a) => axisOf(a, this.rank))
    const keepdims = keep ? 1 : 0
    // Until opset 17 only ReduceSum takes its axes as an input.
    if (op !== 'ReduceSum' && this.b.opset < 18) return this.emit(op, [], { axes: list, keepdims })
    return this.emit(op, [this.b.ints(list)], { keepdims })
  }
  argMax(axis = -1, keep = false): Tensor {
    return this.emit('ArgMax', [], { axis, keepdims: keep ? 1 : 0 })
  }

  // Linear algebra.
  matmul(o: Tensor): Tensor {
    return this.emit('MatMul', [o])
  }
  /** `alpha * this' @ o' + beta * c` on matrices. */
  gemm(
    o: Tensor,
    options: { transA?: boolean; transB?: boolean; alpha?: number; beta?: number; c?: Tensor | undefined } = {},
  ): Tensor {
    const { transA = false, transB = false, alpha = 1, beta = 1, c } = options
    return this.emit('Gemm', c ? [o, c] : [o], { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha, beta })
  }
  conv(w: Tensor, bias?: Tensor, options: ConvOptions = {}): Tensor {
    const spatial = this.rank - 2
    return this.emit('Conv', bias ? [w, bias] : [w], {
      kernel_shape: w.shape.slice(2),
      strides: options.strides ?? Array<number>(spatial).fill(1),
      pads: options.pads ?? Array<number>(2 * spatial).fill(0),
      dilations: options.dilations ?? Array<number>(spatial).fill(1),
      group: options.group ?? 1,
    })
  }
  maxPool(o: PoolOptions): Tensor {
    return this.emit('MaxPool', [], {
      kernel_shape: o.kernel,
      strides: o.strides,
      pads: o.pads,
      dilations: o.dilations,
      ceil_mode: o.ceilMode ? 1 : 0,
    })
  }
  averagePool(o: PoolOptions): Tensor {
    return this.emit('AveragePool', [], { kernel_shape: o.kernel, strides: o.strides, pads: o.pads, ceil_mode: o.ceilMode ? 1 : 0 })
  }
  globalAveragePool(): Tensor {
    return this.emit('GlobalAveragePool')
  }

  // Shape.
  reshape(shape: readonly number[]): Tensor {
    return this.emit('Reshape', [this.b.ints(shape)])
  }
  flatten(axis = 1): Tensor {
    return this.emit('Flatten', [], { axis })
  }
  transpose(perm: readonly number[]): Tensor {
    return this.emit('Transpose', [], { perm })
  }
  /** Swaps the last two axes. */
  get T(): Tensor {
    const perm = this.shape.map((_, i) => i)
    const r = this.rank
    perm[r - 1] = r - 2
    perm[r - 2] = r - 1
    return this.transpose(perm)
  }
  expand(shape: readonly number[]): Tensor {
    return sameShape(this.shape, shape) ? this : this.emit('Expand', [this.b.ints(shape)])
  }
  squeeze(axes: readonly number[]): Tensor {
    return axes.length ? this.emit('Squeeze', [this.b.ints(axes)]) : this
  }
  unsqueeze(axes: readonly number[]): Tensor {
    return axes.length ? this.emit('Unsqueeze', [this.b.ints(axes)]) : this
  }
  slice(starts: readonly number[], ends: readonly number[], axes: readonly number[], steps?: readonly number[]): Tensor {
    const { b } = this
    return this.emit('Slice', [b.ints(starts), b.ints(ends), b.ints(axes), ...(steps ? [b.ints(steps)] : [])])
  }
  /** Constant padding: begins of every axis, then ends. Negative values crop. */
  pad(pads: readonly number[], value = 0): Tensor {
    return this.emit('Pad', [this.b.ints(pads), this.b.scalar(value, this.dtype)])
  }
  gather(indices: Tensor, axis = 0): Tensor {
    return this.emit('Gather', [indices], { axis })
  }
  gatherElements(indices: Tensor, axis = 0): Tensor {
    return this.emit('GatherElements', [indices], { axis })
  }
  split(sizes: readonly number[], axis: number): Tensor[] {
    return this.b.emit('Split', [this, this.b.ints(sizes)], { axis }, { outputs: sizes.length })
  }
  /** Sums over the axes that broadcasting would have added to reach this shape from `shape`. */
  sumTo(shape: readonly number[]): Tensor {
    if (sameShape(this.shape, shape)) return this
    const lead = this.rank - shape.length
    const axes = this.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []))
    const summed = this.sum(axes, true)
    return sameShape(summed.shape, shape) ? summed : summed.reshape(shape)
  }
  /** This value as a constant for differentiation. */
  detach(): Tensor {
    return this.emit('StopGradient', [], {}, { domain: 'stillroom' })
  }
}

function castTo(x: Tensor, to: DataType): Tensor {
  return x.dtype === to ? x : x.emit('Cast', [], { to: DATA_TYPES[to].code })
}

/** `condition ? a : b`, elementwise. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const like = typeof a !== 'number' ? a : typeof b !== 'number' ? b : condition.b.scalar(0)
  return condition.emit('Where', [like.lift(a), like.lift(b)])
}

export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first, ...rest] = parts
  if (!first) throw new BugError('concat of nothing')
  return rest.length ? first.emit('Concat', rest, { axis }) : first
}

/** Shape that the operands broadcast to. Errors: BugError when they do not fit. */
export function broadcastShape(...tensors: readonly Tensor[]): number[] {
  return tensors.reduce<number[]>((shape, t) => {
    const next = broadcast(shape, t.shape)
    if (!next) throw new BugError(`${showShape(shape)} and ${t.toString()} do not broadcast`)
    return next
  }, [])
}

export const isDifferentiable = (t: Tensor): boolean => isFloat(t.dtype)
