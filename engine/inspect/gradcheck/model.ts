import { ModelError, UnsupportedError } from '../../errors.ts'
import { isFloat, sizeOf, TensorData, type Graph, type Model } from '../../ir/index.ts'
import { inlineFunctions, upgradeOpset } from '../../onnx/index.ts'
import { inlineGraph, newBuilder, type Tensor } from '../../ops/index.ts'
import { random } from '../../random.ts'
import { tensorPath } from '../tensorPath.ts'
import { bindDims, fedInputs, isSymbolic, sampleFeeds, TRIAL_SIZES } from '../samples.ts'
import { checkInBestPrecision, type CheckOptions, type Subject, type TensorCheck } from './check.ts'
import { retype } from './retype.ts'
import { withoutSizes } from './sizes.ts'
import type { Precision } from './stencil.ts'
import { withoutRounding } from './unrounded.ts'

/** Nodes from which on ONNX Runtime's optimizer is used: it saves time, and fuses some patterns into operators without a double kernel. */
const LARGE = 500

export interface GradcheckOptions extends Omit<CheckOptions, 'optimize'> {
  wrt: 'parameters' | 'inputs' | 'all'
}

export interface GradcheckResult {
  passed: boolean
  order: number
  seed: number
  /** Element type that the comparison was made in; double unless ONNX Runtime lacks a kernel. */
  dtype: Precision['dtype']
  maxRelativeError: number
  /** Share of the entries whose stencil crosses a kink; at most 5 % may. */
  skippedShare: number
  /** Entries compared in all. */
  checked: number
  /** Tensors with nothing but slopes that vanish: they agree, but prove nothing. */
  vacuous: number
  /** Shapes that the inputs were given. */
  inputs: Record<string, number[]>
  tensors: TensorCheck[]
}

/**
 * Compares a model's gradients with central differences, in double precision (operators without a double kernel are decomposed) or,
 * where that cannot be, in single with wide steps. The point: the model's own weights and normal inputs, scaled where they saturate the model. Free
 * dimensions are bound to 2, or where that does not fit to the first trial size that does; inputs that make a model compute very many numbers are
 * made smaller where it takes that.
 * Quantized tensors are clipped without being rounded: differences of a staircase say nothing of gradients that pass straight through.
 * Errors: UnsupportedError naming the node that has no gradient, or an input that cannot be fed.
 */
export async function gradcheck(model: Model, o: GradcheckOptions): Promise<GradcheckResult> {
  const { model: upgraded } = upgradeOpset(inlineFunctions(model))
  upgraded.graph = tensorPath(upgraded.graph)
  let inputs: GradcheckResult['inputs'] = {}
  const make = (dtype: Precision['dtype']): Subject => {
    const { subject, shapes } = fitting(retype(upgraded, dtype).graph, dtype, o)
    inputs = Object.fromEntries([...shapes].map(([name, dims]) => [name, [...dims]]))
    return subject
  }
  const check = await checkInBestPrecision(make, { ...o, optimize: upgraded.graph.nodes.length > LARGE })
  const { order, maxRelativeError, skippedShare, checked, vacuous, tensors } = check.orders.at(-1)!
  const passed = check.orders.every((c) => c.passed)
  return { passed, order, seed: check.seed, dtype: check.dtype, maxRelativeError, skippedShare, checked, vacuous, inputs, tensors }
}

type Shapes = ReadonlyMap<string, readonly number[]>
interface Fitting {
  subject: Subject
  shapes: Shapes
  /** Every value of the graph. */
  values: ReadonlyMap<string, Tensor>
}

/** Numbers computed in one run from which on smaller inputs are tried. */
const MANY = 2 ** 22
/** What long axes of inputs are divided by, and the length that makes one long. */
const PARTS = [2, 4, 8, 16]
const LONG = 32

/** The graph on the smallest inputs that fit. Errors: those of the first try, where nothing fits. */
function fitting(graph: Graph, dtype: Precision['dtype'], o: GradcheckOptions): Fitting {
  const sizes = isSymbolic(graph) ? [2, ...TRIAL_SIZES] : [2]
  const errors: unknown[] = []
  for (const size of sizes) {
    const found = attempt(() => subjectOf(graph, dtype, o, bindDims(graph, size, 2)), errors)
    if (!found) continue
    let best = found
    for (const parts of PARTS) {
      if (numbersOf(best.subject) <= MANY) break
      const smaller = [1, 2].map((from) => divided(found.shapes, parts, from))
      const less = withoutSizes(graph, found.values)
      const next = smaller.map((shapes) => attempt(() => subjectOf(less, dtype, o, shapes), [])).find((f) => f)
      if (!next) continue
      best = next
    }
    return best
  }
  throw errors[0]
}

function attempt(make: () => Fitting, errors: unknown[]): Fitting | undefined {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof ModelError || error instanceof UnsupportedError)) throw error
    errors.push(error)
    return undefined
  }
}

const numbersOf = ({ b }: Subject): number => b.steps.reduce((n, step) => n + step.outputs.reduce((m, t) => m + t.size, 0), 0)

/** Long axes of images, sounds and the like divided: those from axis `from` on, of inputs of three axes and more. */
const divided = (shapes: Shapes, parts: number, from: number): Shapes =>
  new Map(
    [...shapes].map(([name, dims]) => [
      name,
      dims.length < 3 ? dims : dims.map((d, axis) => (axis >= from && d >= LONG ? Math.ceil(d / parts) : d)),
    ]),
  )

/** A graph of one float type at its own weights and random inputs. */
function subjectOf(graph: Graph, dtype: Precision['dtype'], o: GradcheckOptions, shapes: Shapes): Fitting {
  const b = newBuilder()
  const point = new Map<string, TensorData>()
  const wrt: Tensor[] = []
  const declare = (name: string, data: TensorData, wanted: boolean): Tensor => {
    const t = b.input(name, dtype, data.dims)
    point.set(t.name, data)
    if (wanted) wrt.push(t)
    return t
  }
  const inputs = new Map<string, Tensor>()
  const free: Tensor[] = []
  const bound = new Map<string, readonly number[]>()
  for (const { name, type } of fedInputs(graph)) {
    if (type?.kind !== 'tensor' || !type.shape)
      throw new UnsupportedError(`input '${name}' is no tensor of known rank`, { hint: 'its gradient cannot be checked' })
    const dims = shapes.get(name) ?? type.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 2))
    bound.set(name, dims)
    if (!isFloat(type.dtype)) continue
    const data = random(o.seed, 'gradcheck', name).fillNormal(new Float64Array(sizeOf(dims)))
    const t = declare(name, TensorData.from(dtype, dims, data), o.wrt !== 'parameters')
    inputs.set(name, t)
    free.push(t)
  }
  // Indices, masks and rates are known numbers that most models accept.
  const sample = sampleFeeds(graph, bound)
  for (const [name, dims] of bound) {
    if (inputs.has(name)) continue
    const value = sample?.[name]
    if (!value) throw new UnsupportedError(`input '${name}' cannot be fed with sample values`)
    inputs.set(name, b.constant(TensorData.of(value.dtype, dims, value.data)))
  }
  // Running statistics are no parameters: the forward pass moves them. Only `all` checks them.
  const statistics = new Set(graph.nodes.flatMap((n) => (n.op === 'BatchNormalization' ? n.inputs.slice(3, 5) : [])))
  const values = inlineGraph(b, graph, inputs, {
    node: withoutRounding(),
    initializer: (name, data) => {
      if (!isFloat(data.dtype) || data.dims.length === 0) return undefined
      return declare(name, data, statistics.has(name) ? o.wrt === 'all' : o.wrt !== 'inputs')
    },
  })
  const outputs = graph.outputs.flatMap(({ name }) => values.get(name) ?? [])
  return { subject: { b, point, wrt, outputs, free }, shapes: bound, values }
}
