import { describe, expect, it } from 'vitest'
import { evaluate, evaluator } from '../../tests/evaluate.ts'
import { gradients } from '../autodiff/index.ts'
import { newBuilder, type Tensor } from '../ops/index.ts'
import { random } from '../random.ts'
import { cosine, crossEntropy, huber, jsDivergence, klDivergence, l1, mse, normalizedMse, softKl } from './index.ts'

const N = 3
const C = 5

const draw = (name: string, size = N * C): number[] => Array.from(random(7, 'losses', name).fillNormal(new Float64Array(size)))
const rowsOf = (x: readonly number[]): number[][] => Array.from({ length: N }, (_, n) => x.slice(n * C, (n + 1) * C))
const sum = (x: readonly number[]): number => x.reduce((s, v) => s + v, 0)
const softmax = (z: readonly number[]): number[] => {
  const e = z.map((v) => Math.exp(v))
  return e.map((v) => v / sum(e))
}
const distributions = (x: readonly number[]): number[] => rowsOf(x).flatMap(softmax)
/** Mean over rows of f(row of a, row of b). */
const meanRows = (a: readonly number[], b: readonly number[], f: (p: number[], q: number[]) => number): number =>
  sum(rowsOf(a).map((p, n) => f(p, rowsOf(b)[n]!))) / N
const meanAll = (a: readonly number[], b: readonly number[], f: (d: number) => number): number =>
  sum(a.map((v, i) => f(v - b[i]!))) / a.length
const kl = (p: number[], q: number[]): number => sum(p.map((v, c) => (v === 0 ? 0 : v * Math.log(v / q[c]!))))
const cos = (p: number[], q: number[]): number => sum(p.map((v, c) => v * q[c]!)) / Math.hypot(...p) / Math.hypot(...q)

interface Case {
  name: string
  build(a: Tensor, b: Tensor): Tensor
  a: number[]
  b: number[]
  /** The formula, in plain loops. */
  expected(a: number[], b: number[]): number
}

const z = draw('a')
const w = draw('b')
const cases: Case[] = [
  {
    name: 'crossEntropy',
    build: (a, b) => crossEntropy(a, b),
    a: z,
    b: distributions(w),
    expected: (a, b) => meanRows(a, b, (p, t) => -sum(t.map((v, c) => v * Math.log(softmax(p)[c]!)))),
  },
  {
    name: 'crossEntropy with label smoothing',
    build: (a, b) => crossEntropy(a, b, { labelSmoothing: 0.1 }),
    a: z,
    b: [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    expected: (a, b) => meanRows(a, b, (p, t) => -sum(t.map((v, c) => (0.9 * v + 0.02) * Math.log(softmax(p)[c]!)))),
  },
  {
    name: 'softKl',
    build: (a, b) => softKl(a, b, 4),
    a: z,
    b: w,
    expected: (a, b) => meanRows(a, b, (p, t) => kl(softmax(t.map((v) => v / 4)), softmax(p.map((v) => v / 4)))),
  },
  {
    name: 'klDivergence',
    build: (a, b) => klDivergence(a, b),
    a: distributions(z).map(Math.log),
    b: distributions(w).map(Math.log),
    expected: (a, b) => meanRows(a, b, (p, q) => kl(p.map(Math.exp), q.map(Math.exp))),
  },
  {
    name: 'jsDivergence',
    build: (a, b) => jsDivergence(a, b),
    a: distributions(z),
    b: distributions(w),
    expected: (a, b) =>
      meanRows(a, b, (p, q) => {
        const m = p.map((v, c) => (v + q[c]!) / 2)
        return (kl(p, m) + kl(q, m)) / 2
      }),
  },
  { name: 'mse', build: mse, a: z, b: w, expected: (a, b) => meanAll(a, b, (d) => d * d) },
  { name: 'l1', build: l1, a: z, b: w, expected: (a, b) => meanAll(a, b, Math.abs) },
  {
    name: 'huber',
    build: (a, b) => huber(a, b, 0.7),
    a: z,
    b: w,
    expected: (a, b) => meanAll(a, b, (d) => (Math.abs(d) <= 0.7 ? d ** 2 / 2 : 0.7 * (Math.abs(d) - 0.35))),
  },
  { name: 'cosine', build: cosine, a: z, b: w, expected: (a, b) => meanRows(a, b, (p, q) => 1 - cos(p, q)) },
  {
    name: 'normalizedMse',
    build: normalizedMse,
    a: z,
    b: w,
    expected: (a, b) => meanRows(a, b, (p, q) => sum(p.map((v, c) => (v / Math.hypot(...p) - q[c]! / Math.hypot(...q)) ** 2))),
  },
]

describe.each(cases)('$name', ({ build, a, b, expected }) => {
  it('equals its formula and has the gradient of its formula', async () => {
    const g = newBuilder()
    const x = g.input('a', 'float64', [N, C])
    const y = g.input('b', 'float64', [N, C])
    const loss = build(x, y)
    expect(loss.shape).toEqual([])
    const [value, da, db] = await evaluate([loss, ...gradients(loss, [x, y])], { a, b })
    expect(value![0]).toBeCloseTo(expected(a, b), 12)
    const h = 1e-6
    const nudge = (v: number[], i: number, by: number) => v.map((u, k) => (k === i ? u + by : u))
    a.forEach((_, i) => {
      expect(da![i]).toBeCloseTo((expected(nudge(a, i, h), b) - expected(nudge(a, i, -h), b)) / (2 * h), 7)
      // A zero entry of a target cannot be nudged below zero: the reference's logarithm ends there.
      if (b[i] !== 0) expect(db![i]).toBeCloseTo((expected(a, nudge(b, i, h)) - expected(a, nudge(b, i, -h))) / (2 * h), 7)
    })
  })
})

describe('numeric safety in float32', () => {
  const pair = (build: (a: Tensor, b: Tensor) => Tensor, shape: readonly number[]) => {
    const g = newBuilder()
    const a = g.input('a', 'float32', shape)
    const loss = build(a, g.input('b', 'float32', shape))
    return evaluator([loss, gradients(loss, [a])[0]!])
  }

  it('takes logits of any size', async () => {
    const ce = await pair(crossEntropy, [1, 3])
    const [loss, grad] = await ce.run({ a: [1000, 0, -1000], b: [0, 1, 0] })
    expect(loss![0]).toBe(1000)
    expect(grad).toEqual([1, -1, 0])
    const soft = await pair((a, b) => softKl(a, b, 2), [1, 2])
    expect((await soft.run({ a: [400, -400], b: [400, -400] }))[0]![0]).toBe(0)
  })

  it('takes zero probabilities and zero vectors', async () => {
    const js = await pair(jsDivergence, [1, 2])
    const [far, slope] = await js.run({ a: [1, 0], b: [0, 1] })
    expect(far![0]).toBeCloseTo(Math.LN2, 6)
    expect(slope!.every(Number.isFinite)).toBe(true)
    const [loss, grad] = await (await pair(cosine, [1, 2])).run({ a: [0, 0], b: [1, 2] })
    expect(loss![0]).toBe(1)
    expect(grad!.every(Number.isFinite)).toBe(true)
  })

  it('compares feature maps sample by sample', async () => {
    const maps = await pair(normalizedMse, [2, 1, 1, 2])
    expect((await maps.run({ a: [3, 4, 1, 0], b: [6, 8, 0, 5] }))[0]![0]).toBeCloseTo((0 + 2) / 2, 6)
  })

  it('refuses operands of different shapes', () => {
    const g = newBuilder()
    expect(() => mse(g.input('a', 'float32', [2, 3]), g.input('b', 'float32', [1, 3]))).toThrow('operands differ in shape')
  })
})
