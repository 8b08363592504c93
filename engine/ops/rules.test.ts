import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { checkInBestPrecision, TOLERANCE, type Subject } from '../inspect/gradcheck/index.ts'
import { tensorType, type DataType, type Model } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { lower } from '../passes/index.ts'
import { exampleFeeds, exampleSubject, opsetOf, type ExampleFeed } from '../../tests/ruleExamples.ts'
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

const options = { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const

/** A copy: ONNX Runtime's BatchNormalization in training mode writes the running statistics into its inputs. */
const toOrt = ({ data }: ExampleFeed) => new OrtTensor(data.dtype as 'float32', (data.data as Float32Array).slice(), data.dims)
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
  async run(feeds: readonly (ExampleFeed | undefined)[]): Promise<Record<string, OrtTensor>> {
    const named: Record<string, OrtTensor> = {}
    feeds.forEach((f, i) => {
      if (f && this.declared.has(`in${i}`)) named[`in${i}`] = toOrt(f)
    })
    return await this.session.run(named)
  }
}

/** Declares the inputs of an example in a builder. `known` makes all of them constants. */
function declare(b: Builder, feeds: readonly (ExampleFeed | undefined)[], known = false): (Tensor | undefined)[] {
  const x: (Tensor | undefined)[] = []
  for (const [i, feed] of feeds.entries()) x.push(feed && one(feed, i))
  return x

  function one({ data, constant, sameAs }: ExampleFeed, i: number): Tensor {
    if (sameAs !== undefined) return x[sameAs]!
    return constant || known ? b.constant(data) : b.input(`in${i}`, data.dtype, data.dims)
  }
}

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
function plain(
  rule: OpRule,
  opset: number,
  example: Example,
  feeds: readonly (ExampleFeed | undefined)[],
): { b: Builder; y: Tensor[] } {
  const { fold: _fold, simplify: _simplify, ...bare } = rule
  const b = new Builder(new RuleBook([bare]), opset)
  return { b, y: emit(b, bare, example, declare(b, feeds)) }
}

const named = (list: readonly Tensor[], prefix: string) => Object.fromEntries(list.map((t, i) => [`${prefix}${i}`, t]))

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
      const feeds = exampleFeeds(example, 'float32', 17 + k)
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
      const against = async (float: DataType) => {
        const feeds = exampleFeeds(example, float, 23 + k)
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
      // Some kernels cancel large numbers: these agree in double only.
      await against('float32').catch((error: unknown) =>
        against('float64').catch(() => {
          throw error
        }),
      )
    }
  })
})

/** Entries tried of each input. */
const ENTRIES = 10
/** Largest relative error in double precision, where differences are that exact; in single it is the usual one of a check. */
const LIMIT = { float64: 1e-5, float32: TOLERANCE }
const inSingle = new Set<string>()
const emitted = new Set<string>()

describe('gradients of both orders agree with differences', () => {
  const differentiable = cases.filter(({ rule }) => typeof rule.grad === 'function' || rule.grad === 'expand')
  it.each(differentiable)('$title', async ({ rule }) => {
    for (const [k, example] of rule.examples.entries()) {
      const seed = 31 + k
      const made: Subject[] = []
      const make = (dtype: 'float32' | 'float64') => {
        made.push(exampleSubject(rule, example, dtype, seed)!)
        return made.at(-1)!
      }
      if (!exampleSubject(rule, example, 'float64', seed)) continue
      const { orders, dtype } = await checkInBestPrecision(make, { seed, order: 2, entries: ENTRIES, threads: 1 })
      // Some operators give further outputs in single whatever goes in.
      const fine = made[0]!.outputs.every((y) => y.dtype !== 'float32')
      const limit = fine ? LIMIT[dtype] : TOLERANCE
      for (const { order, tensors } of orders)
        for (const { name, relativeError, skipped, worst } of tensors) {
          const where = `order ${order}, example ${k}, ${name}[${worst?.entry}], ${dtype}, seed ${seed}`
          if (!(relativeError <= limit)) expect.fail(`${where}: found ${worst?.found}, expected ${worst?.expected}`)
          expect(skipped, where).toBe(0)
        }
      for (const step of made.flatMap((s) => s.b.steps)) emitted.add(`${step.node.domain}:${step.node.op}`)
      if (dtype === 'float32') inSingle.add(rule.type)
    }
  })

  afterAll(() => console.log(`checked in single precision: ${[...inSingle].sort().join(' ')}`))
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
      const feeds = exampleFeeds(example, 'float32', 5)
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
