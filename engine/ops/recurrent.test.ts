import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { gradients } from '../autodiff/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { lower } from '../passes/index.ts'
import { random } from '../random.ts'
import {
  newBuilder,
  ruleBook,
  UNROLL_CEILING,
  WORKING_OPSET,
  type AttrValue,
  type Builder,
  type Slots,
  type Tensor,
} from './index.ts'

/**
 * The unrolled recurrent operators against ONNX Runtime's fused kernels, over what the examples of the rules leave out: every activation,
 * clipping that bites, lengths given at run time, the batch-first layout.
 */

const options = { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const
const GATES: Record<string, number> = { RNN: 1, GRU: 3, LSTM: 4 }
const [time, batch, size, hidden] = [5, 3, 4, 3]

interface Case {
  op: string
  a?: Record<string, AttrValue>
  lengths?: number[]
  /** Leave out bias and initial states. */
  bare?: boolean
  peepholes?: boolean
}

const directionsOf = (c: Case) => (c.a?.direction === 'bidirectional' ? 2 : 1)

/** Inputs in the order of the operator; `lengths` are fed, unknown to the compiler. */
function inputsOf(b: Builder, c: Case): { x: (Tensor | undefined)[]; feeds: Record<string, OrtTensor> } {
  const d = directionsOf(c)
  const g = GATES[c.op]!
  const shapes: (number[] | undefined)[] = [
    [time, batch, size],
    [d, g * hidden, size],
    [d, g * hidden, hidden],
    c.bare ? undefined : [d, 2 * g * hidden],
    undefined,
    c.bare ? undefined : [d, batch, hidden],
    c.bare || c.op !== 'LSTM' ? undefined : [d, batch, hidden],
    c.peepholes ? [d, 3 * hidden] : undefined,
  ]
  const feeds: Record<string, OrtTensor> = {}
  const x = shapes.map((shape, i) => {
    if (i === 4 && c.lengths) {
      feeds.lengths = new OrtTensor('int32', Int32Array.from(c.lengths), [batch])
      return b.input('lengths', 'int32', [batch])
    }
    if (!shape) return undefined
    const data = new Float32Array(shape.reduce((n, v) => n * v, 1))
    random(7, 'recurrent', i).fillNormal(data, 0, 0.4)
    feeds[`x${i}`] = new OrtTensor('float32', data, shape)
    return b.input(`x${i}`, 'float32', shape)
  })
  while (x.length > 3 && x.at(-1) === undefined) x.pop()
  return { x, feeds }
}

async function run(b: Builder, outputs: readonly Tensor[], feeds: Record<string, OrtTensor>): Promise<number[][]> {
  const model = b.model(Object.fromEntries(outputs.map((t, i) => [`o${i}`, t])))
  const session = await InferenceSession.create(encodeModel(model), options)
  const result = await session.run(feeds)
  await session.release()
  return outputs.map((_, i) => Array.from(result[`o${i}`]!.data as Float32Array))
}

/** Within 2e-5 of the larger of 1 and the expected size. */
const close = (found: number, expected: number, what: string) =>
  expect(Math.abs(found - expected) / Math.max(1, Math.abs(expected)), `${what}: ${found}, expected ${expected}`).toBeLessThan(2e-5)

const fused = (b: Builder, c: Case, x: readonly (Tensor | undefined)[], more: Record<string, AttrValue> = {}) =>
  b.emit(c.op, x, { hidden_size: hidden, ...c.a, ...more }, { outputs: c.op === 'LSTM' ? 3 : 2 })

const unrolled = (b: Builder, c: Case, x: readonly (Tensor | undefined)[]) => {
  const step = b.steps[fused(b, c, x)[0]!.step]!
  const slots = x as unknown as Slots<Tensor>
  return step.rule!.expand!({ b, x: slots, a: step.a, outputs: step.outputs.length, opt: (i) => x[i] })
}

const ACTIVATIONS = [
  ...[
    'Relu',
    'Tanh',
    'Sigmoid',
    'Affine',
    'LeakyRelu',
    'ThresholdedRelu',
    'ScaledTanh',
    'HardSigmoid',
    'Elu',
    'Softsign',
    'Softplus',
  ],
]
const slotsOf = (op: string) => (op === 'RNN' ? 1 : op === 'GRU' ? 2 : 3)

const cases: Case[] = Object.keys(GATES).flatMap((op): Case[] => [
  { op, bare: true },
  { op, a: { direction: 'reverse', clip: 0.1 } },
  { op, a: { direction: 'bidirectional' }, lengths: [5, 2, 3] },
  { op, a: { direction: 'reverse' }, lengths: [0, 4, 1] },
  { op, a: { direction: 'bidirectional' }, lengths: [3, 3, 1], bare: true },
  ...ACTIVATIONS.flatMap((name): Case[] => {
    const n = 2 * slotsOf(op)
    const a = { direction: 'bidirectional', activations: Array<string>(n).fill(name) }
    const list = (base: number) => Array.from({ length: n - 1 }, (_, i) => base + 0.1 * i)
    return [
      { op, a },
      { op, a: { ...a, activation_alpha: list(0.2), activation_beta: list(0.4), clip: 0.6 } },
    ]
  }),
])
cases.push(
  { op: 'GRU', a: { linear_before_reset: 1 } },
  { op: 'GRU', a: { linear_before_reset: 1, clip: 0.1 }, bare: true },
  { op: 'LSTM', a: { clip: 0.2 }, peepholes: true, lengths: [1, 5, 2] },
  { op: 'LSTM', a: { input_forget: 1 }, peepholes: true },
  { op: 'LSTM', a: { input_forget: 1, direction: 'bidirectional' }, bare: true },
)

describe('unrolled recurrences equal the fused kernels', () => {
  const title = (c: Case) => JSON.stringify(c)
  it.each(cases.map((c) => [title(c), c] as const))('%s', async (_, c) => {
    const b = newBuilder()
    const { x, feeds } = inputsOf(b, c)
    const y = fused(b, c, x)
    const z = unrolled(b, c, x)
    const found = await run(b, [...y, ...z], feeds)
    y.forEach((t, i) => {
      const [kernel, ours] = [found[i]!, found[y.length + i]!]
      // A row of length 0 has no last state; ONNX Runtime's RNN then reads before its buffer.
      const undefinedState = c.op === 'RNN' && i === 1 && c.lengths?.includes(0) && c.a?.direction !== 'reverse'
      if (!undefinedState) kernel.forEach((v, k) => close(ours[k]!, v, `${t.name} ${k}`))
    })
  })

  it.each(Object.keys(GATES))('%s of batch-first layout is the same after transposing', async (op) => {
    const c: Case = { op, a: { direction: 'bidirectional' } }
    const b = newBuilder()
    const { x, feeds } = inputsOf(b, c)
    const y = fused(b, c, x)
    const swap = (t: Tensor | undefined) => t?.transpose([1, 0, 2])
    const turned = [swap(x[0]), x[1], x[2], x[3], undefined, swap(x[5]), ...(op === 'LSTM' ? [swap(x[6])] : [])]
    const z = fused(b, c, turned, { layout: 1 })
    expect(z[0]!.shape).toEqual([batch, time, 2, hidden])
    const back = [z[0]!.transpose([1, 2, 0, 3]), ...z.slice(1).map((t) => t.transpose([1, 0, 2]))]
    const lowered = lower(b, [...y, ...back])
    const found = await run(lowered.b, [...y, ...back].map(lowered.at), feeds)
    y.forEach((_, i) => found[i]!.forEach((v, k) => close(found[y.length + i]![k]!, v, `${k}`)))
  })
})

describe('which form is run', () => {
  const counts = (b: Builder, outputs: readonly Tensor[]) => {
    const ops = b.reachable(outputs).map((s) => s.node.op)
    return { fused: ops.filter((op) => op === 'LSTM').length, products: ops.filter((op) => op === 'Gemm').length }
  }
  const build = () => {
    const b = newBuilder()
    const c: Case = { op: 'LSTM' }
    const { x } = inputsOf(b, c)
    const [y] = fused(b, c, x)
    return { b, loss: y!.square().sum(), x }
  }

  it('the kernel without a gradient, the unrolled form alone with one', () => {
    const { b, loss, x } = build()
    const plain = lower(b, [loss])
    expect(counts(plain.b, [plain.at(loss)])).toEqual({ fused: 1, products: 0 })
    const g = gradients(loss, [x[1]!])
    const trained = lower(b, [loss, ...g])
    expect(counts(trained.b, [trained.at(loss)])).toEqual({ fused: 0, products: time + 1 })
  })

  it('one product for all projections and one for each step', () => {
    const { b, x } = build()
    const y = unrolled(b, { op: 'LSTM' }, x)
    expect(counts(b, y).products).toBe(1 + time)
  })
})

it('reaches an initial state through the reshapes before it, which a simplification would look behind', async () => {
  const b = newBuilder()
  const x = [b.input('x', 'float32', [1, 1, 1]), b.input('w', 'float32', [1, 1, 1]), b.input('r', 'float32', [1, 1, 1])]
  const h = b.input('h', 'float32', [1, 1])
  const [y] = b.emit('RNN', [...x, undefined, undefined, h.unsqueeze([0])], { hidden_size: 1 })
  const [dh] = gradients(y!.sum(), [h])
  const lowered = lower(b, [dh!])
  const one = (v: number, ...dims: number[]) => new OrtTensor('float32', Float32Array.of(v), dims)
  const feeds = { x: one(0.3, 1, 1, 1), w: one(0.7, 1, 1, 1), r: one(-1.1, 1, 1, 1), h: one(0.4, 1, 1) }
  const [found] = await run(lowered.b, [lowered.at(dh!)], feeds)
  expect(found![0]).toBeCloseTo(-1.1 * (1 - Math.tanh(0.3 * 0.7 - 0.4 * 1.1) ** 2), 6)
})

describe('the ceiling', () => {
  it('refuses an unroll that takes too many nodes, before it is built', () => {
    const b = newBuilder()
    const steps = UNROLL_CEILING.nodes
    const x = [b.input('x', 'float32', [steps, 1, 1]), b.input('w', 'float32', [1, 4, 1]), b.input('r', 'float32', [1, 4, 1])]
    const [y] = b.emit('LSTM', x, { hidden_size: 1 }, { nodeName: 'long' })
    expect(() => gradients(y!.sum(), [x[1]!])).toThrow(
      /unrolling LSTM over 10000 steps takes about [\d,]+ nodes and [\d.]+ MiB; the ceiling is 10,000 nodes and 2.0 GiB/,
    )
    expect(b.steps.length).toBeLessThan(100)
    try {
      gradients(y!.sum(), [x[1]!])
    } catch (e) {
      expect(e).toMatchObject({ code: 'unsupported', where: `node 'long' (LSTM)` })
    }
  })

  it('refuses one that takes too much memory', () => {
    const b = newBuilder()
    const x = [
      b.input('x', 'float32', [64, 4096, 8]),
      b.input('w', 'float32', [1, 4096, 8]),
      b.input('r', 'float32', [1, 4096, 1024]),
    ]
    const [y] = b.emit('LSTM', x, { hidden_size: 1024 })
    expect(() => gradients(y!.sum(), [x[1]!])).toThrow(/takes about [\d,]+ nodes and [\d.]+ GiB/)
  })
})

it('what does not fit is told by name', () => {
  const b = newBuilder()
  const at = (...shape: number[]) => b.input('t', 'float32', shape)
  expect(ruleBook.find('GRU', '', WORKING_OPSET)).toBeDefined()
  expect(() => b.emit('GRU', [at(2, 1, 3), at(1, 6, 3), at(1, 5, 2)], { hidden_size: 2 })).toThrow(
    /recurrence weight R is \[1, 5, 2\]/,
  )
  expect(() => b.emit('GRU', [at(2, 1, 3), at(1, 6, 3), at(1, 6, 2)], { direction: 'up' })).toThrow(/direction 'up' is unknown/)
  const [y] = b.emit('RNN', [at(2, 1, 3), at(1, 2, 3), at(1, 2, 2)], { activations: ['Sine'] })
  expect(() => gradients(y!.sum(), [y!.b.inputs[0]!, ...b.inputs])).toThrow(/activation 'Sine' is unknown/)
})
