import { describe, expect, it } from 'vitest'
import { noise, run } from '../../tests/onnxModels.ts'
import { newBuilder, type Builder, type Tensor } from '../ops/index.ts'
import { gradients } from './index.ts'

/** A weight used `times` times, each with factors of `rows` rows: sum over k of sum tanh(x_k W). */
function reused(times: number, rows: number, form: 'Gemm' | 'MatMul') {
  const b = newBuilder()
  const w = b.input('w', 'float32', [4, 5])
  const xs = Array.from({ length: times }, (_, k) => b.input(`x${k}`, 'float32', [rows, 4]))
  const products = xs.map((x) => (form === 'Gemm' ? x.gemm(w) : x.matmul(w)))
  const loss = products.map((p) => p.tanh().sum()).reduce((s, t) => s.add(t))
  return { b, w, xs, loss }
}

const feedsOf = (b: Builder) => Object.fromEntries(b.inputs.map((t, i) => [t.name, noise('float32', t.shape, i + 1)]))
const products = (b: Builder, of: Tensor) => b.reachable([of]).filter((s) => ['Gemm', 'MatMul'].includes(s.node.op)).length
const numbers = (t: { data: unknown }) => Array.from(t.data as Float32Array)

describe.each(['Gemm', 'MatMul'] as const)('a weight that is used again by %s', (form) => {
  it('gets its gradient from one product of the joined factors', async () => {
    const { b, w, xs, loss } = reused(6, 2, form)
    const [dw] = gradients(loss, [w])
    expect(products(b, dw!)).toBe(6 + 1)
    // The sum, written out: x_k' (1 - tanh^2(x_k W)).
    const plain = xs.map((x) => x.T.matmul(x.matmul(w).tanh().square().rsub(1))).reduce((sum, t) => sum.add(t))
    const found = await run(b.model({ dw: dw!, plain }), feedsOf(b))
    const expected = numbers(found.plain!)
    numbers(found.dw!).forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, 5))
  })

  it('has a second order through the joined product', async () => {
    const { b, w, loss } = reused(4, 2, form)
    const [dw] = gradients(loss, [w])
    const [ddw] = gradients(dw!.square().sum(), [w])
    const model = b.model({ dw: dw!, ddw: ddw! })
    const feeds = feedsOf(b)
    const exact = numbers((await run(model, feeds)).ddw!)
    const at = async (i: number, by: number) => {
      const moved = feeds.w!.as('float32')
      const data = Float32Array.from(moved.numbers())
      data[i]! += by
      const { dw: g } = await run(model, { ...feeds, w: b.array('float32', [4, 5], data).value! })
      return numbers(g!).reduce((s, v) => s + v * v, 0)
    }
    for (const i of [0, 7, 19]) {
      const slope = ((await at(i, 0.01)) - (await at(i, -0.01))) / 0.02
      expect(Math.abs(exact[i]! - slope) / Math.max(1, Math.abs(slope))).toBeLessThan(5e-3)
    }
  })

  it('keeps the products where their factors are the larger part', () => {
    const { b, w, loss } = reused(6, 40, form)
    expect(products(b, gradients(loss, [w])[0]!)).toBe(6 + 6)
  })
})

describe('a tensor that is cut into slices', () => {
  const cuts = (ranges: readonly (readonly [number, number])[]) => {
    const b = newBuilder()
    const x = b.input('x', 'float32', [2, 9, 3])
    const loss = ranges
      .map(([from, to], k) =>
        x
          .slice([from], [to], [1])
          .mul(k + 2)
          .square()
          .sum(),
      )
      .reduce((s, t) => s.add(t))
    return { b, x, dx: gradients(loss, [x])[0]! }
  }
  const ops = (b: Builder, of: Tensor) => b.reachable([of]).map((s) => s.node.op)
  /** d/dx of sum over the slices of (k x)^2. */
  const expected = (ranges: readonly (readonly [number, number])[], x: readonly number[]) =>
    x.map((v, i) => {
      const row = Math.floor(i / 3) % 9
      return ranges.reduce((s, [from, to], k) => s + (row >= from && row < to ? 2 * (k + 2) ** 2 * v : 0), 0)
    })

  it.each([
    ['side by side', [[0, 4], [4, 9]], 0], // prettier-ignore
    ['with gaps, in any order', [[6, 8], [1, 2], [3, 5]], 0], // prettier-ignore
    ['that overlap', [[0, 5], [4, 9]], 2], // prettier-ignore
  ] as const)('%s', async (_, ranges, pads) => {
    const { b, dx } = cuts(ranges)
    expect(ops(b, dx).filter((op) => op === 'Pad')).toHaveLength(pads)
    const feeds = feedsOf(b)
    const wanted = expected(ranges, Array.from(feeds.x!.numbers()))
    numbers((await run(b.model({ dx }), feeds)).dx!).forEach((v, i) => expect(v).toBeCloseTo(wanted[i]!, 5))
  })
})
