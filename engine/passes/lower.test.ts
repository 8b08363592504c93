import { describe, expect, it } from 'vitest'
import { gradients } from '../autodiff/index.ts'
import type { Model } from '../ir/index.ts'
import { batchNorm, newBuilder } from '../ops/index.ts'
import { random } from '../random.ts'
import { blockSize, createSession, Value } from '../session/index.ts'
import { lower } from './index.ts'

const SHAPES: Record<string, number[]> = {
  x: [16, 3, 8, 8],
  w: [16, 3, 3, 3],
  s: [16],
  c: [16],
  w2: [32, 16, 3, 3],
  w3: [16, 32, 3, 3],
}
const NAMES = Object.keys(SHAPES)

/** Two blocks in training mode, a strided one among them, and the gradients to everything. */
function network(dtype: 'float32' | 'float64', block: number, withGradients: boolean): Model {
  const b = newBuilder()
  const t = Object.fromEntries(NAMES.map((name) => [name, b.input(name, dtype, SHAPES[name]!)]))
  const first = batchNorm(t.x!.conv(t.w!, undefined, { pads: [1, 1, 1, 1] }), t.s!, t.c!, 1e-5)[0]!
  const pooled = first.relu().maxPool({ kernel: [2, 2], strides: [2, 2] })
  const strided = pooled.conv(t.w2!, undefined, { pads: [1, 1, 1, 1], strides: [2, 2] })
  const second = batchNorm(strided, b.full([32], 1, dtype), b.zeros([32], dtype), 1e-5)[0]!.relu()
  const y = second.conv(t.w3!, undefined, { pads: [1, 1, 1, 1] })
  const weights = new Float64Array(y.size)
  random(1, 'r').fillNormal(weights, 0, 1)
  const f = y.mul(b.array(dtype, y.shape, Array.from(weights))).sum()
  const g = withGradients
    ? gradients(
        f,
        NAMES.map((name) => t[name]!),
      )
    : []
  const lowered = lower(b, [f, ...g], { provider: 'cpu', block })
  return lowered.b.model({ f: lowered.at(f), ...Object.fromEntries(g.map((d, i) => [`d/${NAMES[i]}`, lowered.at(d)])) })
}

/** Values that both element types represent exactly. */
const values = Object.fromEntries(
  NAMES.map((name) => {
    const data = new Float64Array(SHAPES[name]!.reduce((n, d) => n * d, 1))
    random(2, name).fillNormal(data, name === 's' ? 1 : 0, 0.5)
    return [name, data.map(Math.fround)]
  }),
)
const feed = (dtype: 'float32' | 'float64', of = values) =>
  Object.fromEntries(NAMES.map((name) => [name, Value.from(dtype, SHAPES[name]!, of[name]!)]))

describe('lowering of a training graph', () => {
  it('gives gradients in double that central differences confirm', async () => {
    const exact = await (await createSession(network('float64', 1, true))).run(feed('float64'))
    const forward = await createSession(network('float64', 1, false))
    for (const name of NAMES) {
      for (let n = 0; n < 4; n++) {
        const i = random(3, name).int(n, values[name]!.length)
        const at = async (h: number) => {
          const moved = values[name]!.slice()
          moved[i]! += h
          return (await forward.run(feed('float64', { ...values, [name]: moved }))).f!.data[0] as number
        }
        const difference = ((await at(1e-6)) - (await at(-1e-6))) / 2e-6
        expect(exact[`d/${name}`]!.data[i]).toBeCloseTo(difference, 4)
      }
    }
  })

  it('computes the same in float32, on portable and on blocked kernels', async () => {
    const exact = await (await createSession(network('float64', 1, true))).run(feed('float64'))
    for (const block of new Set([1, await blockSize()])) {
      const got = await (await createSession(network('float32', block, true))).run(feed('float32'))
      for (const name of NAMES) {
        const [a, e] = [Float64Array.from(got[`d/${name}`]!.numbers()), Float64Array.from(exact[`d/${name}`]!.numbers())]
        const distance = Math.sqrt(a.reduce((s, v, i) => s + (v - e[i]!) ** 2, 0) / e.reduce((s, v) => s + v * v, 0))
        expect(distance, `${name}, block ${block}`).toBeLessThan(1e-5)
      }
    }
  })
})
