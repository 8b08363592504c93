import { gradients } from '../autodiff/index.ts'
import { ModelError, UnsupportedError } from '../errors.ts'
import { getInt, isFloat, TensorData, type Model } from '../ir/index.ts'
import { inlineFunctions, upgradeOpset } from '../onnx/index.ts'
import { inlineGraph, newBuilder, type Builder, type Tensor } from '../ops/index.ts'
import { lower } from '../passes/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Feeds, type Session } from '../session/index.ts'
import { bindDims, isSymbolic, sampleFeeds, TRIAL_SIZES } from './samples.ts'

export interface GradcheckOptions {
  wrt: 'parameters' | 'inputs' | 'all'
  order: 1 | 2
  seed: number
  /** Entries tried in each tensor. */
  entries?: number
  threads?: number | undefined
  signal?: AbortSignal
  onProgress?: (done: number, total: number) => void
}

export interface GradcheckResult {
  passed: boolean
  order: number
  maxRelativeError: number
  /** Share of the entries whose stencil crosses a kink; at most 5 % may. */
  skippedShare: number
  tensors: { name: string; relativeError: number; checked: number; skipped: number }[]
}

const TOLERANCE = 1e-3
const SKIPPED_AT_MOST = 0.05

/**
 * Compares gradients with central differences, in double precision (operators without a double kernel are decomposed). The scalar is
 * s = sum(w y + y^2 / 2) over all outputs, w random; for order 2 it is the product of s's gradient with a random direction.
 * The point: the model's own weights and normal inputs. Free dimensions are bound to 2, or where that does not fit to the first trial size
 * that does.
 */
export async function gradcheck(model: Model, o: GradcheckOptions): Promise<GradcheckResult> {
  const { b, tensors, values, scalar } = fitting(upgradeOpset(inlineFunctions(model)).model, o)
  const first = gradients(scalar, tensors)
  const f = o.order === 1 ? scalar : direction(b, first, o.seed)
  const analytic = o.order === 1 ? first : gradients(f, tensors)
  const whole = await compiled(b, f, analytic, o)
  const forward = await compiled(b, f, [], o)
  try {
    const feeds: Record<string, Value> = Object.fromEntries(b.inputs.map((t) => [t.name, values.get(t.name)!]))
    const exact = await whole.run(feeds)
    const out: GradcheckResult['tensors'] = []
    for (const [i, t] of tensors.entries()) {
      o.signal?.throwIfAborted()
      o.onProgress?.(i, tensors.length)
      out.push(await compare(t, exact[`gradient/${i}`]!.data as Float64Array, feeds, forward, o))
    }
    const total = out.reduce((n, t) => n + t.checked + t.skipped, 0)
    const skippedShare = out.reduce((n, t) => n + t.skipped, 0) / Math.max(1, total)
    const maxRelativeError = out.reduce((m, t) => Math.max(m, t.relativeError), 0)
    return {
      passed: maxRelativeError < TOLERANCE && skippedShare <= SKIPPED_AT_MOST && total > 0,
      order: o.order,
      maxRelativeError,
      skippedShare,
      tensors: out,
    }
  } finally {
    await whole.release()
    await forward.release()
  }
}

/** The scalar on the smallest inputs that fit. Errors: those of the first try, where nothing fits. */
function fitting(model: Model, o: GradcheckOptions) {
  const sizes = isSymbolic(model.graph) ? [2, ...TRIAL_SIZES] : [2]
  const errors: unknown[] = []
  for (const [i, size] of sizes.entries()) {
    try {
      return scalarOf(model, o, i === 0 ? undefined : bindDims(model.graph, size, 2))
    } catch (error) {
      if (!(error instanceof ModelError || error instanceof UnsupportedError)) throw error
      errors.push(error)
    }
  }
  throw errors[0]
}

/** The scalar in double, and the tensors that it is differentiated by, with their values. */
function scalarOf(model: Model, o: GradcheckOptions, shapes: ReadonlyMap<string, readonly number[]> | undefined) {
  const { graph } = model
  const b = newBuilder()
  const values = new Map<string, Value>()
  const tensors: Tensor[] = []
  const declare = (name: string, dims: readonly number[], data: Float64Array, wanted: boolean): Tensor => {
    const t = b.input(name, 'float64', dims)
    values.set(t.name, Value.of('float64', dims, data))
    if (wanted) tensors.push(t)
    return t
  }
  const inputs = new Map<string, Tensor>()
  const bound = new Map<string, readonly number[]>()
  for (const info of graph.inputs) {
    if (graph.initializers.has(info.name)) continue
    if (info.type?.kind !== 'tensor' || !info.type.shape)
      throw new UnsupportedError(`input '${info.name}' is no tensor of known rank`, { hint: 'its gradient cannot be checked' })
    const dims = shapes?.get(info.name) ?? info.type.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 2))
    bound.set(info.name, dims)
    const data = new Float64Array(dims.reduce((n, d) => n * d, 1))
    if (isFloat(info.type.dtype)) {
      random(o.seed, 'gradcheck', info.name).fillNormal(data, 0, 1)
      inputs.set(info.name, declare(info.name, dims, data, o.wrt !== 'parameters'))
    }
  }
  // Indices, masks and rates are known numbers that most models accept.
  const sample = sampleFeeds(graph, bound)
  for (const [name, dims] of bound) {
    const value = sample?.[name]
    if (inputs.has(name)) continue
    if (!value) throw new UnsupportedError(`input '${name}' cannot be fed with sample values`)
    inputs.set(name, b.constant(TensorData.of(value.dtype, dims, value.data)))
  }
  // Running statistics are no parameters: the forward pass moves them. Only `all` checks them.
  const statistics = new Set(graph.nodes.flatMap((n) => (n.op === 'BatchNormalization' ? n.inputs.slice(3, 5) : [])))
  const double = (data: TensorData) => (isFloat(data.dtype) ? data.as('float64') : data)
  const found = inlineGraph(b, graph, inputs, {
    initializer: (name, data) => {
      if (!isFloat(data.dtype)) return undefined
      if (data.size === 1 && data.dims.length === 0) return b.constant(double(data))
      return declare(
        name,
        data.dims,
        Float64Array.from(data.numbers()),
        statistics.has(name) ? o.wrt === 'all' : o.wrt !== 'inputs',
      )
    },
    node: (node, x) => {
      const value = node.attrs.get('value')
      if (node.op === 'Constant' && value?.type === 'tensor') return [b.constant(double(value.value))]
      const to = getInt(node, 'to', 0)
      if (node.op === 'Cast' && (to === 1 || to === 10 || to === 16)) return [x[0]!.cast('float64')]
      return undefined
    },
  })
  const terms = graph.outputs.flatMap(({ name }) => {
    const y = found.get(name)
    if (!y || !isFloat(y.dtype)) return []
    const w = new Float64Array(y.size)
    random(o.seed, 'weight', name).fillNormal(w, 0, 1)
    return [
      y
        .mul(b.array('float64', y.shape, w))
        .add(y.square().mul(0.5))
        .sum(),
    ]
  })
  if (!terms.length) throw new UnsupportedError('the model has no float output to differentiate')
  return { b, tensors, values, scalar: terms.reduce((s, t) => s.add(t)) }
}

function direction(b: Builder, grads: readonly Tensor[], seed: number): Tensor {
  return grads
    .map((g, i) => {
      const v = new Float64Array(g.size)
      random(seed, 'direction', i).fillNormal(v, 0, 1 / Math.sqrt(g.size))
      return g.mul(b.array('float64', g.shape, v)).sum()
    })
    .reduce((s, t) => s.add(t))
}

async function compiled(b: Builder, f: Tensor, grads: readonly Tensor[], o: GradcheckOptions): Promise<Session> {
  const lowered = lower(b, [f, ...grads])
  const outputs = Object.fromEntries([['f', lowered.at(f)], ...grads.map((g, i) => [`gradient/${i}`, lowered.at(g)] as const)])
  return createSession(lowered.b.model(outputs, { name: 'gradcheck' }), { threads: o.threads, name: 'gradient check' })
}

/** Entries of one tensor, drawn at random. */
async function compare(t: Tensor, analytic: Float64Array, feeds: Feeds, forward: Session, o: GradcheckOptions) {
  const data = Float64Array.from(feeds[t.name]!.data as Float64Array)
  const at = async (i: number, x: number): Promise<number> => {
    const moved = data.slice()
    moved[i] = x
    return (await forward.run({ ...feeds, [t.name]: Value.of('float64', t.shape, moved) })).f!.data[0] as number
  }
  const middle = (await forward.run(feeds)).f!.data[0] as number
  const scale = Math.sqrt(analytic.reduce((s, g) => s + g * g, 0) / analytic.length)
  const typical = Math.max(1e-3, Math.sqrt(data.reduce((s, v) => s + v * v, 0) / data.length))
  const order = random(o.seed, 'entries', t.name).permutation(t.size)
  let relativeError = 0
  let checked = 0
  let skipped = 0
  for (const i of order.slice(0, o.entries ?? 12)) {
    // Steps are relative to the tensor: a variance of 1e-4 cannot move by 1e-5.
    const h = 1e-5 * Math.max(typical, Math.abs(data[i]!))
    const [up, down] = [await at(i, data[i]! + h), await at(i, data[i]! - h)]
    const difference = (up - down) / (2 * h)
    // The slopes on both sides differ by f'' h where f is smooth, by the size of the jump at a kink.
    const jump = Math.abs(up - 2 * middle + down) / h
    const size = Math.max(Math.abs(difference), Math.abs(analytic[i]!), 1e-3 * scale, 1e-9)
    const error = Math.abs(difference - analytic[i]!) / size
    if (error > TOLERANCE / 10 && jump > 2e-4 * size && (await kink(i, h, jump))) skipped++
    else {
      checked++
      relativeError = Math.max(relativeError, error)
    }
  }
  return { name: t.name, relativeError, checked, skipped }

  /** A quarter of the step quarters the jump of a smooth function, and leaves that of a kink inside it as it is. */
  async function kink(i: number, h: number, jump: number): Promise<boolean> {
    const small = h / 4
    const closer = Math.abs((await at(i, data[i]! + small)) - 2 * middle + (await at(i, data[i]! - small))) / small
    return closer > 0.6 * jump || closer < 0.1 * jump
  }
}
