import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { gradients } from '../autodiff/index.ts'
import { isFloat, TensorData, tensorType, type DataType, type Model } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { lower } from '../passes/index.ts'
import {
  Builder,
  formatAttrs,
  newBuilder,
  parseAttrs,
  PRIVATE,
  RuleBook,
  ruleBook,
  WORKING_OPSET,
  type Example,
  type OpRule,
  type Slots,
  type Tensor,
  type Tie,
} from './index.ts'

/**
 * Every operator rule against ONNX Runtime and against differences, from the examples inside the rules. Shapes, folded constants and
 * simplifications must equal what ONNX Runtime makes of the plain node; gradients of both orders must equal central differences of what it
 * computes, in double where it has double kernels.
 */

/** The same numbers on every machine and run (mulberry32). */
function random(seed: number): () => number {
  let s = seed
  return () => {
    s = (s + 0x6d2b79f5) | 0
    let t = Math.imul(s ^ (s >>> 15), 1 | s)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Feed {
  dtype: DataType
  shape: readonly number[]
  values: number[]
  constant: boolean
}

const sizeOf = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1)

/** Inputs of an example as numbers; floats are of type `float`. */
function feedsOf(example: Example, float: DataType, seed: number): (Feed | undefined)[] {
  const next = random(seed)
  return example.x.map((input) => {
    if (input === null) return undefined
    const spec: Exclude<typeof input, readonly number[]> = Array.isArray(input) ? { shape: input as number[] } : (input as never)
    const dtype = spec.dtype ?? float
    const n = sizeOf(spec.shape)
    if (spec.values) return { dtype, shape: spec.shape, values: [...spec.values], constant: true }
    const [lo, hi] = spec.range ?? [-2, 2]
    const draw = () => {
      for (let tries = 0; tries < 1000; tries++) {
        const v = lo + (hi - lo) * next()
        if (!(example.away ?? []).some((a) => Math.abs(v - a) < 0.1)) return v
      }
      throw new Error(`no value in [${lo}, ${hi}] is away from ${String(example.away)}`)
    }
    let values = Array.from(
      { length: n },
      dtype === 'bool' ? () => Math.round(next()) : isFloat(dtype) ? draw : () => Math.floor(4 * next()),
    )
    if (spec.distinct) {
      const order = Array.from({ length: n }, (_, i) => i)
      for (let i = n - 1; i > 0; i--) {
        const k = Math.floor(next() * (i + 1))
        ;[order[i], order[k]] = [order[k]!, order[i]!]
      }
      values = order.map((k) => lo + ((k + 0.25 + 0.25 * next()) * (hi - lo)) / n)
    }
    return { dtype, shape: spec.shape, values, constant: false }
  })
}

const options = { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const

const toOrt = (f: Feed) => {
  const data = TensorData.from(f.dtype, f.shape, f.values)
  return new OrtTensor(f.dtype as 'float32', data.data as Float32Array, f.shape)
}
const numbers = (t: OrtTensor) => Array.from(t.data as ArrayLike<number>, Number)

class Runner {
  readonly session: InferenceSession
  readonly declared: Set<string>
  constructor(session: InferenceSession) {
    this.session = session
    this.declared = new Set(session.inputNames)
  }
  static async open(model: Model): Promise<Runner> {
    return new Runner(await InferenceSession.create(encodeModel(model), options))
  }
  async run(feeds: readonly (Feed | undefined)[]): Promise<Record<string, OrtTensor>> {
    const named: Record<string, OrtTensor> = {}
    feeds.forEach((f, i) => {
      if (f && this.declared.has(`in${i}`)) named[`in${i}`] = toOrt(f)
    })
    return await this.session.run(named)
  }
}

/** Declares the inputs of an example in a builder. `known` makes all of them constants. */
const declare = (b: Builder, feeds: readonly (Feed | undefined)[], known = false): (Tensor | undefined)[] =>
  feeds.map((f, i) => {
    if (!f) return undefined
    return f.constant || known ? b.constant(TensorData.from(f.dtype, f.shape, f.values)) : b.input(`in${i}`, f.dtype, f.shape)
  })

const emit = (b: Builder, rule: OpRule, example: Example, x: readonly (Tensor | undefined)[]) =>
  b.emit(rule.type, x, (example.a ?? {}) as never, { domain: rule.domain ?? '', outputs: example.outputs ?? 1 })

/** The operator's expansion instead of the operator. */
const expansion = (rule: OpRule, b: Builder, example: Example, x: readonly (Tensor | undefined)[]) =>
  rule.expand!({
    b,
    x: x as unknown as Slots<Tensor>,
    a: parseAttrs(rule.attrs, formatAttrs(rule.attrs, (example.a ?? {}) as never), rule.type),
    outputs: example.outputs ?? 1,
    opt: (i) => x[i],
  })

/** The operator as one plain node, neither folded nor simplified. */
function plain(rule: OpRule, opset: number, example: Example, feeds: readonly (Feed | undefined)[]): { b: Builder; y: Tensor[] } {
  const { fold: _fold, simplify: _simplify, ...bare } = rule
  const b = new Builder(new RuleBook([bare]), opset)
  return { b, y: emit(b, bare, example, declare(b, feeds)) }
}

const named = (list: readonly Tensor[], prefix: string) => Object.fromEntries(list.map((t, i) => [`${prefix}${i}`, t]))
const opsetOf = (rule: OpRule) => (ruleBook.find(rule.type, rule.domain ?? '', WORKING_OPSET) === rule ? WORKING_OPSET : 17)
const missingKernel = (e: unknown) => /NOT_IMPLEMENTED|Could not find an implementation|Type 'tensor\(double\)'/.test(String(e))

/** Operators that the working opset does not have: the plain node runs at one that does. */
const OTHER_OPSET: Record<string, number> = {
  CumProd: 26,
  RoiAlign: 21,
  MaxRoiPool: 21,
  Affine: 9,
  Crop: 9,
  ImageScaler: 9,
  ParametricSoftplus: 9,
  Scale: 9,
  ScaledTanh: 9,
  Scatter: 10,
  Swish: 24,
  TensorScatter: 24,
}
// ONNX Runtime has kernels of these up to opset 21; the training compiler feeds their numbers (support/draws.ts).
for (const { type, random } of ruleBook.rules) if (random && type !== 'Dropout') OTHER_OPSET[type] = 21
/** ONNX Runtime computes these in single precision whatever the element type. */
const SINGLE = new Set(['Shrink'])

/** Compares lists of numbers, relative to the larger of 1 and the expected one. */
function expectClose(found: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
  expect(found.length, what).toBe(expected.length)
  found.forEach((v, i) => {
    const e = expected[i]!
    if (Object.is(v, e) || (Number.isNaN(v) && Number.isNaN(e))) return
    if (!(Math.abs(v - e) <= tolerance * Math.max(1, Math.abs(e)))) expect.fail(`${what}, entry ${i}: found ${v}, expected ${e}`)
  })
}

const cases = ruleBook.rules
  .filter((rule) => rule.examples.length > 0)
  .map((rule) => ({ rule, title: `${rule.domain ? `${rule.domain}.` : ''}${rule.type}-${rule.since}`, opset: opsetOf(rule) }))
const runnable = cases.filter(({ rule }) => rule.domain !== PRIVATE)

describe('types and constants agree with ONNX Runtime', () => {
  it.each(runnable)('$title', async ({ rule, opset }) => {
    for (const [k, example] of rule.examples.entries()) {
      const feeds = feedsOf(example, 'float32', 17 + k)
      const { b, y } = plain(rule, OTHER_OPSET[rule.type] ?? opset, example, feeds)
      const model = b.model(named(y, 'y'))
      // The file must not tell ONNX Runtime what the rule inferred.
      model.graph.outputs = model.graph.outputs.map((o, i) => ({ ...o, type: tensorType(y[i]!.dtype) }))
      model.graph.values.clear()
      const result = await (await Runner.open(model)).run(feeds)
      const types = Object.entries(result).map(([name, t]) => `${name}: ${t.type}[${t.dims.join()}]`)
      expect(types, `example ${k}`).toEqual(y.map((t, i) => `y${i}: ${t.dtype}[${t.shape.join()}]`))

      // A second draw would be another one.
      if (rule.random && rule.type !== 'Dropout') continue
      for (const known of [false, true]) {
        const what = `example ${k}, ${known ? 'all inputs known' : 'simplified'}`
        // What has no kernel and is not written otherwise runs at its own opset.
        const full = newBuilder(rule.simplify ? opset : (OTHER_OPSET[rule.type] ?? opset))
        const made = emit(full, rule, example, declare(full, feeds, known))
        expect(
          made.map(String).map((s) => s.split(': ')[1]),
          what,
        ).toEqual(y.map(String).map((s) => s.split(': ')[1]))
        const again = await (await Runner.open(full.model(named(made, 'y')))).run(known ? [] : feeds)
        made.forEach((t, i) => {
          const expected = numbers(result[`y${i}`]!)
          if (t.value) expectClose(Array.from(t.value.numbers()), expected, 1e-6, `${what}, folded`)
          expectClose(numbers(again[`y${i}`]!), expected, 1e-5, what)
        })
      }
    }
  })
})

describe('expansions agree with the kernel', () => {
  it.each(runnable.filter(({ rule }) => rule.expand))('$title', async ({ rule, opset }) => {
    for (const [k, example] of rule.examples.entries()) {
      const feeds = feedsOf(example, 'float32', 23 + k)
      const { b, y } = plain(rule, OTHER_OPSET[rule.type] ?? opset, example, feeds)
      const expected = await (await Runner.open(b.model(named(y, 'y')))).run(feeds)
      const apart = newBuilder(opset)
      const made = expansion(rule, apart, example, declare(apart, feeds))
      const lowered = lower(apart, made)
      const found = await (await Runner.open(lowered.b.model(named(made.map(lowered.at), 'y')))).run(feeds)
      y.forEach((t, i) => {
        expect(String(made[i]).split(': ')[1], `example ${k}`).toBe(String(t).split(': ')[1])
        expectClose(numbers(found[`y${i}`]!), numbers(expected[`y${i}`]!), 1e-4, `example ${k}, output ${i}`)
      })
    }
  })
})

/** Entries tried of each input. */
const ENTRIES = 10
const inDouble = new Set<string>()
const inSingle = new Set<string>()
const emitted = new Set<string>()

/** Gradients of the scalar sum(w y + y y / 2) and of sum(v g), as named outputs of one lowered model. `apart` takes the rule's expansion for the node. */
function differentiate(rule: OpRule, opset: number, example: Example, feeds: readonly (Feed | undefined)[], apart: boolean) {
  const b = newBuilder(opset)
  const x = declare(b, feeds)
  const y = (apart ? expansion(rule, b, example, x) : emit(b, rule, example, x)).filter((t) => isFloat(t.dtype))
  const wrt = x.flatMap((t, i) => (t && isFloat(t.dtype) && !feeds[i]!.constant ? [{ t, i }] : []))
  if (y.length === 0 || wrt.length === 0) return undefined
  const next = random(99)
  const weights = (t: Tensor) => Array.from({ length: t.size }, () => 2 * next() - 1)
  const w = y.map(weights)
  const loss = y
    .map((t, k) => b.array(t.dtype, t.shape, w[k]!).mul(t).add(t.mul(t).mul(0.5)).sum().cast(y[0]!.dtype))
    .reduce((p, q) => p.add(q))
  const g = gradients(
    loss,
    wrt.map(({ t }) => t),
  )
  const v = g.map(weights)
  const push = g.map((t, k) => b.array(t.dtype, t.shape, v[k]!).mul(t).sum().cast(g[0]!.dtype)).reduce((p, q) => p.add(q))
  const h = gradients(
    push,
    wrt.map(({ t }) => t),
  )
  for (const step of b.steps) emitted.add(`${step.node.domain}:${step.node.op}`)
  const lowered = lower(b, [...y, ...g, ...h])
  const model = lowered.b.model(named([...y, ...g, ...h].map(lowered.at), 'o'))
  const at = (from: number, list: readonly Tensor[]) => list.map((_, k) => `o${from + k}`)
  return {
    model,
    wrt: wrt.map(({ i }) => i),
    w,
    v,
    y: at(0, y),
    g: at(y.length, g),
    h: at(y.length + g.length, h),
    single: [...y, ...g].some((t) => t.dtype === 'float32'),
  }
}

async function checkGradient(
  rule: OpRule,
  opset: number,
  example: Example,
  k: number,
  float: DataType,
  apart = false,
): Promise<boolean> {
  const feeds = feedsOf(example, float, 31 + k)
  const d = differentiate(rule, opset, example, feeds, apart)
  if (!d) return false
  const runner = await Runner.open(d.model)
  const { w, v } = d
  const single = d.single
  const base = await runner.run(feeds)
  // Sums are made here in double, so that single precision loses nothing but the operator's own rounding.
  const loss = (r: Record<string, OrtTensor>) =>
    d.y.reduce((s, name, n) => s + numbers(r[name]!).reduce((p, e, i) => p + w[n]![i]! * e + (e * e) / 2, 0), 0)
  const push = (r: Record<string, OrtTensor>) =>
    d.g.reduce((s, name, n) => s + numbers(r[name]!).reduce((p, e, i) => p + v[n]![i]! * e, 0), 0)
  const step = single ? 1e-2 : 1e-4
  const tolerance = single ? 1e-3 : 1e-6
  const next = random(7)
  for (const [n, input] of d.wrt.entries()) {
    const feed = feeds[input]!
    const size = feed.values.length
    const entries =
      size <= ENTRIES ? feed.values.map((_, i) => i) : Array.from({ length: ENTRIES }, () => Math.floor(next() * size))
    const first = numbers(base[d.g[n]!]!)
    const second = numbers(base[d.h[n]!]!)
    for (const i of entries) {
      const moved = async (by: number) => {
        const values = feed.values.slice()
        values[i]! += by
        return runner.run(feeds.map((f, j) => (j === input ? { ...feed, values } : f)))
      }
      // Richardson: the fourth order cancels, so steps can be wide enough for single precision.
      const [p1, m1, p2, m2] = [await moved(step), await moved(-step), await moved(2 * step), await moved(-2 * step)]
      const slope = (f: (r: Record<string, OrtTensor>) => number) => (8 * (f(p1) - f(m1)) - (f(p2) - f(m2))) / (12 * step)
      const where = `example ${k}, input ${input}, entry ${i}, ${float}`
      expectClose([first[i]!], [slope(loss)], tolerance, `first order, ${where}`)
      expectClose([second[i]!], [slope(push)], tolerance, `second order, ${where}`)
    }
  }
  ;(single ? inSingle : inDouble).add(rule.type)
  return true
}

describe('gradients of both orders agree with differences', () => {
  const differentiable = cases.filter(({ rule }) => typeof rule.grad === 'function' || rule.grad === 'expand')
  it.each(differentiable)('$title', async ({ rule, opset }) => {
    for (const [k, example] of rule.examples.entries()) {
      // Double where the operator has a double kernel, or else its expansion (which was compared with the kernel); single at last.
      const ways: { float: DataType; apart: boolean }[] = [{ float: 'float32', apart: false }]
      if (!SINGLE.has(rule.type)) {
        if (rule.grad === 'expand') ways.unshift({ float: 'float64', apart: true })
        ways.unshift({ float: 'float64', apart: false })
      }
      for (const [n, { float, apart }] of ways.entries()) {
        try {
          await checkGradient(rule, opset, example, k, float, apart)
          break
        } catch (e) {
          if (n === ways.length - 1 || !missingKernel(e)) throw e
        }
      }
    }
  })

  afterAll(() => {
    console.log(`gradients in double: ${inDouble.size} operators; in single: ${[...inSingle].sort().join(' ')}`)
  })
})

describe('the set of rules is closed', () => {
  it('every operator that a gradient emits has a rule with a gradient, or needs none', () => {
    const open = [...emitted].filter((key) => {
      const [domain, op] = key.split(':') as [string, string]
      const rule = ruleBook.find(op, domain, WORKING_OPSET)
      return !rule || typeof rule.grad === 'object'
    })
    expect(emitted.size).toBeGreaterThan(30)
    expect(open).toEqual([])
  })

  it('no two rules have the same type and opset', () => {
    const keys = ruleBook.rules.map((r) => `${r.domain ?? ''}:${r.type}-${r.since}`)
    expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([])
  })

  it('every standard rule has an example', () => {
    const bare = ruleBook.rules.filter((r) => (r.domain ?? '') === '' && r.examples.length === 0 && !r.dataDependent)
    expect(bare.map((r) => r.type)).toEqual([])
  })
})

describe('costs and ties', () => {
  it.each(cases)('$title', ({ rule, opset }) => {
    for (const example of rule.examples) {
      const feeds = feedsOf(example, 'float32', 5)
      const { y, b } = plain(rule, opset, example, feeds)
      const x = (b.steps[0]?.inputs ?? []) as unknown as Slots<Tensor>
      const call = { x, y: y as unknown as Slots<Tensor>, a: b.steps[0]!.a }
      const cost = rule.cost?.(call) ?? NaN
      expect(Number.isFinite(cost) && cost >= 0, `cost ${cost}`).toBe(true)
      const size = ([slot, axis]: Tie['a']) => (slot.startsWith('x') ? x : y)[Number(slot.slice(1))]?.shape[axis]
      for (const tie of rule.channels?.(call) ?? []) {
        expect(size(tie.b), `tie ${JSON.stringify(tie)}`).toBe((tie.repeat ?? 1) * (size(tie.a) ?? NaN))
      }
    }
  })
})
