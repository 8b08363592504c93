import { gradients } from '../../autodiff/index.ts'
import { BugError, RuntimeError, UnsupportedError } from '../../errors.ts'
import { isFloat, type TensorData } from '../../ir/index.ts'
import { where, type Builder, type Tensor } from '../../ops/index.ts'
import { lower } from '../../passes/index.ts'
import { random } from '../../random.ts'
import { createSession, Value, type Feeds, type Session } from '../../session/index.ts'
import { compareSlopes, DOUBLE, SINGLE, SKIPPED_AT_MOST, TOLERANCE, type Precision } from './stencil.ts'

/** What is checked: outputs as functions of the builder's inputs, at one point. */
export interface Subject {
  b: Builder
  /** The point: a value for each input of the builder, by its name. Its floats have the element type of the input. */
  point: ReadonlyMap<string, TensorData>
  /** Inputs to differentiate by. Those that the outputs do not depend on are checked too: their differences must vanish. */
  wrt: readonly Tensor[]
  outputs: readonly Tensor[]
  /** Inputs that may be scaled where the point saturates the function, so that gradients vanish. */
  free?: readonly Tensor[]
}

export interface CheckOptions {
  seed: number
  /** Highest order; 2 checks both. */
  order: 1 | 2
  /** Entries tried in each tensor. */
  entries?: number | undefined
  threads?: number | undefined
  /** Sessions run the graph as it was written: nothing of ONNX Runtime's optimizer is relied on. Set for large models. */
  optimize?: boolean
  signal?: AbortSignal | undefined
  onProgress?: ((done: number, total: number) => void) | undefined
}

export interface TensorCheck {
  name: string
  /** Largest relative error over the entries that were compared. */
  relativeError: number
  checked: number
  /** Entries whose stencil crosses a kink. */
  skipped: number
  /** No slope of this tensor can be told from rounding: it is in agreement, but proves nothing. */
  vacuous: boolean
  /** The entry with the largest error. */
  worst?: { entry: number; expected: number; found: number }
}

export interface OrderCheck {
  order: 1 | 2
  passed: boolean
  maxRelativeError: number
  /** Share of the entries whose stencil crosses a kink; at most 5 % may. */
  skippedShare: number
  checked: number
  skipped: number
  /** Tensors with nothing but slopes that vanish. */
  vacuous: number
  tensors: TensorCheck[]
}

export interface Check {
  seed: number
  dtype: Precision['dtype']
  orders: OrderCheck[]
}

/**
 * Compares gradients with central differences. The scalar of order 1 is s = sum(w y + y^2 / 2) over all float outputs with w random, that
 * of order 2 the product of s's gradient with a random direction. Scalars are summed in double whatever the inputs are.
 * Errors: UnsupportedError where an operator has no gradient, or ONNX Runtime no kernel for the element type.
 */
export async function checkSubject(subject: Subject, o: CheckOptions): Promise<Check> {
  const { b, wrt } = subject
  const p = precisionOf(wrt)
  const scalars = [weighted(await finite(subject, o), o.seed)]
  const analytic = [gradients(scalars[0]!, wrt)]
  if (o.order === 2) {
    scalars.push(direction(analytic[0]!, o.seed))
    analytic.push(gradients(scalars[1]!, wrt))
  }
  const gradient = await compiled(b, analytic.flat(), o)
  try {
    const forward = await compiled(b, scalars, o)
    try {
      const { feeds, exact } = await lively(subject, gradient, p)
      const found: TensorCheck[][] = scalars.map(() => [])
      for (const [i, t] of wrt.entries()) {
        o.signal?.throwIfAborted()
        o.onProgress?.(i, wrt.length)
        const slopes = scalars.map((_, k) => exact[`value/${k * wrt.length + i}`]!.numbers())
        const checks = await compareTensor(t, slopes, feeds, forward, p, o)
        checks.forEach((check, k) => found[k]!.push(check))
      }
      return { seed: o.seed, dtype: p.dtype, orders: found.map((tensors, k) => summary(k === 0 ? 1 : 2, tensors)) }
    } finally {
      await forward.release()
    }
  } finally {
    await gradient.release()
  }
}

/**
 * `checkSubject` in double, and in single where ONNX Runtime has no double kernel and no lowering replaces it. `make` builds the subject
 * anew for an element type. What is computed in double must also be what the kernels compute in single, or a wrong decomposition would be
 * differentiated faithfully. Errors: as `checkSubject`; BugError where the two disagree.
 */
export async function checkInBestPrecision(make: (dtype: Precision['dtype']) => Subject, o: CheckOptions): Promise<Check> {
  let double: Check
  try {
    const subject = make('float64')
    const fine = subject.outputs.filter((y) => y.dtype !== 'float32')
    if (!fine.some((y) => isFloat(y.dtype))) return await checkSubject(make('float32'), o)
    double = await checkSubject({ ...subject, outputs: fine }, o)
    await agree(subject, make, o)
    if (fine.length === subject.outputs.length) return double
  } catch (error) {
    if (!isMissingKernel(error)) throw error
    return checkSubject(make('float32'), o)
  }
  // Some operators give further outputs in single whatever goes in: those need wide steps.
  const coarse = make('float64').outputs.flatMap((y, i) => (y.dtype === 'float32' ? [i] : []))
  const subject = make('float32')
  const single = await checkSubject({ ...subject, outputs: coarse.map((i) => subject.outputs[i]!) }, o)
  return { ...double, orders: double.orders.map((c, k) => summary(c.order, [...c.tensors, ...single.orders[k]!.tensors])) }
}

async function agree(double: Subject, make: (dtype: Precision['dtype']) => Subject, o: CheckOptions): Promise<void> {
  if (o.optimize) return
  const subject = make('float32')
  let kernels: Float64Array[]
  try {
    kernels = await valuesOf(subject, subject.outputs, o)
  } catch (error) {
    if (isMissingKernel(error) || error instanceof RuntimeError) return
    throw error
  }
  const exact = await valuesOf(double, double.outputs, o)
  for (const [i, found] of exact.entries()) {
    const size = found.reduce((m, v) => (Math.abs(v) < HUGE ? Math.max(m, Math.abs(v)) : m), 1)
    const at = found.findIndex((v, k) => Math.abs(v - kernels[i]![k]!) > 1e-3 * size)
    if (at >= 0)
      throw new BugError(
        `${double.outputs[i]!.toString()}, entry ${at}, is ${found[at]} in double and ${kernels[i]![at]} in single`,
      )
  }
}

/** Float outputs at the point; others are empty. */
async function valuesOf(subject: Subject, outputs: readonly Tensor[], o: CheckOptions): Promise<Float64Array[]> {
  const wanted = outputs.filter((y) => isFloat(y.dtype) && y.size > 0)
  if (wanted.length === 0) return outputs.map(() => new Float64Array(0))
  const session = await compiled(subject.b, wanted, o)
  try {
    const found = await session.run(feedsOf(subject))
    return outputs.map((y) => Float64Array.from(found[`value/${wanted.indexOf(y)}`]?.numbers() ?? []))
  } finally {
    await session.release()
  }
}

/** ONNX Runtime lacks a kernel, or its definition of the operator does not allow the element type. */
export const isMissingKernel = (error: unknown): boolean =>
  /no kernel for|Failed to find kernel|NOT_IMPLEMENTED|Could not find an implementation|tensor\(double\)|type of \w+ is not supported/i.test(
    String(error),
  )

function precisionOf(wrt: readonly Tensor[]): Precision {
  const single = wrt.some((t) => t.dtype === 'float32')
  if (wrt.some((t) => t.dtype !== (single ? 'float32' : 'float64')))
    throw new BugError('tensors of a gradient check are all float32 or all float64')
  return single ? SINGLE : DOUBLE
}

const feedsOf = (subject: Subject): Feeds =>
  Object.fromEntries(subject.b.inputs.map((t) => [t.name, Value.fromTensor(valueAt(subject, t))]))

/** Factors tried of the free inputs: from unit variance to bytes and to quiet sound. */
const SCALES = [1, 0.1, 10, 0.01, 100]

/** The point at which the fewest first gradients vanish, the first of equals, with all gradients there. */
async function lively(subject: Subject, gradient: Session, p: Precision) {
  const plain = feedsOf(subject)
  let best: { feeds: Feeds; exact: Record<string, Value>; vanish: number } | undefined
  for (const scale of subject.free?.length ? SCALES : [1]) {
    const scaled = (t: Tensor) =>
      Value.from(
        p.dtype,
        t.shape,
        Float64Array.from(plain[t.name]!.numbers(), (v) => v * scale),
      )
    const feeds = scale === 1 ? plain : { ...plain, ...Object.fromEntries(subject.free!.map((t) => [t.name, scaled(t)])) }
    const exact = await gradient.run(feeds).catch((error: unknown) => {
      // Some models read floats as indices and lengths.
      if (scale !== 1 && error instanceof RuntimeError) return undefined
      throw error
    })
    if (!exact) continue
    const vanish = subject.wrt.filter((_, i) => rms(exact[`value/${i}`]!.numbers()) < p.least).length
    if (!best || vanish < best.vanish) best = { feeds, exact, vanish }
    if (vanish === 0) break
  }
  return best!
}

const rms = (v: ArrayLike<number>): number => Math.sqrt(Array.from(v).reduce((s, x) => s + x * x, 0) / Math.max(1, v.length))

function valueAt(subject: Subject, t: Tensor): TensorData {
  const value = subject.point.get(t.name)
  if (!value) throw new BugError(`the point of the gradient check lacks a value of ${t.toString()}`)
  return value
}

/** Scores are masked with minus infinity or the lowest number there is. */
const HUGE = 1e30

/** The outputs with the entries that are no usable number at the point replaced by zeros. */
async function finite(subject: Subject, o: CheckOptions): Promise<Tensor[]> {
  const outputs = subject.outputs.filter((y) => isFloat(y.dtype) && y.size > 0)
  const values = await valuesOf(subject, outputs, o)
  return outputs.map((y, i) => {
    const mask = Uint8Array.from(values[i]!, (v) => (Math.abs(v) < HUGE ? 1 : 0))
    return mask.includes(0) ? where(y.b.array('bool', y.shape, mask), y, 0) : y
  })
}

/** sum(w y + y^2 / 2) over the float outputs. */
function weighted(outputs: readonly Tensor[], seed: number): Tensor {
  const terms = outputs.map((y, i) => {
    const wide = y.cast('float64')
    const w = random(seed, 'weight', i).fillNormal(new Float64Array(y.size))
    return wide
      .mul(y.b.array('float64', y.shape, w))
      .add(wide.square().mul(0.5))
      .sum()
  })
  const [first, ...rest] = terms
  if (!first) throw new UnsupportedError('the model has no float output to differentiate')
  return rest.reduce((s, t) => s.add(t), first)
}

/** Product of gradients with a random direction of length about one per tensor. */
function direction(grads: readonly Tensor[], seed: number): Tensor {
  return grads
    .map((g, i) => {
      const v = random(seed, 'direction', i).fillNormal(new Float64Array(g.size), 0, 1 / Math.sqrt(Math.max(1, g.size)))
      return g
        .cast('float64')
        .mul(g.b.array('float64', g.shape, v))
        .sum()
    })
    .reduce((s, t) => s.add(t))
}

async function compiled(b: Builder, values: readonly Tensor[], o: CheckOptions): Promise<Session> {
  const lowered = lower(b, values)
  const outputs = Object.fromEntries(values.map((t, i) => [`value/${i}`, lowered.at(t)]))
  const level = o.optimize ? 'all' : 'disabled'
  return createSession(lowered.b.model(outputs, { name: 'gradcheck' }), { threads: o.threads, name: 'gradient check', level })
}

/** Half of the entries from all, the others from those whose gradient counts: most rows of an embedding are read by no sample. */
function chosen(order: Int32Array, count: number, slopes: readonly ArrayLike<number>[], scale: readonly number[]): number[] {
  const any = order.subarray(0, Math.ceil(count / 2))
  const counting = order.filter((i) => slopes.some((g, k) => Math.abs(g[i]!) > 0.1 * scale[k]!)).subarray(0, count)
  return [...new Set([...any, ...counting, ...order.subarray(0, count)])].slice(0, count)
}

/** Entries of one tensor, drawn at random, each against all scalars at once. */
async function compareTensor(
  t: Tensor,
  analytic: readonly ArrayLike<number>[],
  feeds: Feeds,
  forward: Session,
  p: Precision,
  o: CheckOptions,
): Promise<TensorCheck[]> {
  const data = Float64Array.from(feeds[t.name]!.numbers())
  const run = async (values: Float64Array): Promise<number[]> => {
    const found = await forward.run({ ...feeds, [t.name]: Value.from(p.dtype, t.shape, values) }).catch((error: unknown) => {
      // A kernel that refuses a value ends the domain there.
      if (error instanceof RuntimeError) return undefined
      throw error
    })
    if (!found) return analytic.map(() => NaN)
    return analytic.map((_, k) => found[`value/${k}`]!.data[0] as number)
  }
  const middle = await run(data)
  const scale = analytic.map(rms)
  const typical = Math.max(1e-3, rms(data))
  const out: TensorCheck[] = analytic.map(() => ({ name: t.name, relativeError: 0, checked: 0, skipped: 0, vacuous: true }))
  for (const i of chosen(random(o.seed, 'entries', t.name).permutation(t.size), o.entries ?? 12, analytic, scale)) {
    const at = (x: number): Promise<number[]> => {
      const moved = data.slice()
      moved[i] = x
      return run(moved)
    }
    const expected = analytic.map((g) => g[i]!)
    const compared = await compareSlopes(at, data[i]!, middle, expected, typical, scale, p)
    for (const [k, { error, kink, difference, vacuous }] of compared.entries()) {
      const check = out[k]!
      if (kink) check.skipped++
      else {
        check.checked++
        check.vacuous &&= vacuous
        if (error >= check.relativeError) {
          check.relativeError = error
          check.worst = { entry: i, expected: difference, found: expected[k]! }
        }
      }
    }
  }
  return out
}

function summary(order: 1 | 2, tensors: TensorCheck[]): OrderCheck {
  const checked = tensors.reduce((n, t) => n + t.checked, 0)
  const skipped = tensors.reduce((n, t) => n + t.skipped, 0)
  const maxRelativeError = tensors.reduce((m, t) => Math.max(m, t.relativeError), 0)
  const skippedShare = skipped / Math.max(1, checked + skipped)
  const vacuous = tensors.filter((t) => t.vacuous).length
  const passed = maxRelativeError < TOLERANCE && skippedShare <= SKIPPED_AT_MOST && checked > 0
  return { order, passed, maxRelativeError, skippedShare, checked, skipped, vacuous, tensors }
}
