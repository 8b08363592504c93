import { describe, expect, it } from 'vitest'
import { run } from '../../tests/onnxModels.ts'
import { gradients } from '../autodiff/index.ts'
import { floatAttr, intAttr, intsAttr, makeNode, TensorData, type Attribute } from '../ir/index.ts'
import { random } from '../random.ts'
import { newBuilder, withFedDraws, type DrawKind, type Tensor } from './index.ts'

/** Nodes that draw, fed by the counter-based generator: their moments must be those of the distribution, whatever the seed. */

const N = 20_000

async function drawn(op: string, attrs: Record<string, Attribute>, inputs: readonly TensorData[] = [], seed = 1) {
  const b = newBuilder()
  const feeds: Record<string, TensorData> = {}
  const x = inputs.map((t, i) => {
    if (t.dims.length === 0) return b.constant(t)
    feeds[`x${i}`] = t
    return b.input(`x${i}`, t.dtype, t.dims)
  })
  let streams = 0
  const fed = (kind: DrawKind, shape: readonly number[]): Tensor => {
    const data = new Float32Array(shape.reduce((n, d) => n * d, 1))
    const stream = random(seed, op, streams)
    if (kind === 'normal') stream.fillNormal(data)
    else stream.fillUniform(data)
    feeds[`draw${streams}`] = TensorData.of('float32', shape, data)
    return b.input(`draw${streams++}`, 'float32', shape)
  }
  const y = withFedDraws(makeNode(op, [], ['y'], attrs), x, fed)!
  const found = await run(b.model(Object.fromEntries(y.map((t, i) => [`y${i}`, t]))), feeds)
  return y.map((t, i) => ({ type: t.dtype, shape: t.shape, values: Array.from(found[`y${i}`]!.data as ArrayLike<number>, Number) }))
}

const mean = (v: readonly number[]) => v.reduce((s, e) => s + e, 0) / v.length
const variance = (v: readonly number[]) => mean(v.map((e) => (e - mean(v)) ** 2))
/** Six standard errors: one false alarm in 500 million. */
const near = (found: number, expected: number, deviation: number, n = N) =>
  expect(Math.abs(found - expected), `${found}, expected ${expected}`).toBeLessThan((6 * deviation) / Math.sqrt(n))

describe('fed draws follow their distribution', () => {
  it('RandomNormal', async () => {
    const [y] = await drawn('RandomNormal', { shape: intsAttr([100, N / 100]), mean: floatAttr(2), scale: floatAttr(3) })
    expect(y!.shape).toEqual([100, N / 100])
    near(mean(y!.values), 2, 3)
    near(variance(y!.values), 9, Math.sqrt(2) * 9)
  })

  it('RandomUniformLike, in the element type asked for', async () => {
    const like = TensorData.from('float32', [N], new Float32Array(N))
    const [y] = await drawn('RandomUniformLike', { low: floatAttr(-1), high: floatAttr(4), dtype: intAttr(11) }, [like])
    expect(y!.type).toBe('float64')
    near(mean(y!.values), 1.5, 5 / Math.sqrt(12))
    near(variance(y!.values), 25 / 12, 25 / Math.sqrt(180))
    expect(Math.min(...y!.values)).toBeGreaterThanOrEqual(-1)
    expect(Math.max(...y!.values)).toBeLessThan(4)
  })

  it('Bernoulli', async () => {
    const p = TensorData.from('float32', [N], new Float32Array(N).fill(0.3))
    const [y] = await drawn('Bernoulli', { dtype: intAttr(9) }, [p])
    expect(y!.type).toBe('bool')
    near(mean(y!.values), 0.3, Math.sqrt(0.21))
  })

  it('Multinomial', async () => {
    const logits = TensorData.from('float32', [1, 3], [Math.log(5), Math.log(2), Math.log(3)])
    const [y] = await drawn('Multinomial', { sample_size: intAttr(N) }, [logits])
    expect(y!.shape).toEqual([1, N])
    for (const [k, p] of [0.5, 0.2, 0.3].entries()) near(mean(y!.values.map((v) => (v === k ? 1 : 0))), p, Math.sqrt(p * (1 - p)))
  })

  it('Dropout in training mode keeps the mean', async () => {
    const x = TensorData.from('float32', [N], new Float32Array(N).fill(2))
    const on = [TensorData.scalar('float32', 0.25), TensorData.scalar('bool', 1)]
    const [y, mask] = await drawn('Dropout', {}, [x, ...on])
    near(mean(mask!.values), 0.75, Math.sqrt(0.1875))
    y!.values.forEach((v, i) => expect(v).toBeCloseTo(mask!.values[i]! ? 2 / 0.75 : 0, 5))
  })

  it('the same seed gives the same numbers, another seed others', async () => {
    const attrs = { shape: intsAttr([50]) }
    const [first, again, other] = await Promise.all([1, 1, 2].map((seed) => drawn('RandomUniform', attrs, [], seed)))
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
  })
})

it('two equal draws are two draws', () => {
  const b = newBuilder()
  const draw = () => b.emit('RandomNormal', [], { shape: [2] })[0]!
  expect(draw().id).not.toBe(draw().id)
})

describe('Dropout', () => {
  const graph = () => {
    const b = newBuilder()
    const x = b.input('x', 'float32', [64])
    const on = b.constant(TensorData.scalar('bool', 1))
    return { b, x, y: b.emit('Dropout', [x, b.scalar(0.25), on], { seed: 7 }, { outputs: 2 }) }
  }

  it('in training mode has the gradient of its own mask', async () => {
    const { b, x, y } = graph()
    const [dx] = gradients(y[0]!.sum(), [x])
    const found = await run(b.model({ mask: y[1]!, dx: dx! }), {
      x: TensorData.from('float32', [64], new Float32Array(64).fill(1)),
    })
    const mask = Array.from(found.mask!.data as Uint8Array)
    expect(new Set(mask)).toEqual(new Set([0, 1]))
    Array.from(found.dx!.data as Float32Array).forEach((v, i) => expect(v).toBeCloseTo(mask[i]! / 0.75, 6))
  })

  it('outside of it is the identity', () => {
    const b = newBuilder()
    const x = b.input('x', 'float32', [3])
    expect(b.emit('Dropout', [x])[0]).toBe(x)
    const off = b.constant(TensorData.scalar('bool', 0))
    expect(b.emit('Dropout', [x, b.scalar(0.5), off])[0]).toBe(x)
  })
})
