import { describe, expect, it } from 'vitest'
import { evaluate } from '../../tests/evaluate.ts'
import { gradients } from '../autodiff/index.ts'
import { clippedActivation, learnedStep, newBuilder, stepGradientScale, straightThrough, type Tensor } from './index.ts'

/** Values and gradients of sum(w y), w = 1, 2, 3, …: found through the compiled graph. */
async function found(y: Tensor, wrt: readonly Tensor[], feeds: Record<string, readonly number[]>) {
  const { b } = y
  const w = b.array('float32', y.shape, Array.from({ length: y.size }, (_, i) => i + 1)) // prettier-ignore
  return evaluate([y, ...gradients(y.mul(w).sum(), wrt)], feeds)
}

const close = (a: readonly number[], b: readonly number[]) => {
  expect(a).toHaveLength(b.length)
  a.forEach((v, i) => expect(v).toBeCloseTo(b[i]!, 5))
}

describe('straight-through', () => {
  it('has the values of one tensor and the gradient of the other, to the last bit', async () => {
    const b = newBuilder()
    const x = b.input('x', 'float32', [4])
    const [y, dx] = await found(straightThrough(x.emit('Round'), x.mul(3)), [x], { x: [0.5, 1.5, -2.4, 7.9] })
    expect(y).toEqual([0, 2, -2, 8])
    close(dx!, [3, 6, 9, 12])
  })
})

describe('learned step size', () => {
  // Levels -4..3: below, inside on both sides of zero, at a half (to even), above.
  const x = [-3, -0.9, -0.1, 0.25, 0.6, 9]
  const s = 0.5
  const levels = { low: -4, high: 3 }

  it('rounds to its levels, and the gradients are those of equation 3', async () => {
    const b = newBuilder()
    const [tx, ts] = [b.input('x', 'float32', [6]), b.input('s', 'float32', [1])]
    const [y, dx, ds] = await found(learnedStep(tx, ts, levels, 0.25), [tx, ts], { x, s: [s] })
    close(y!, [-2, -1, 0, 0, 0.5, 1.5])
    close(dx!, [0, 2, 3, 4, 5, 0])
    const slope = x.map((v) => (v / s <= -4 ? -4 : v / s >= 3 ? 3 : evenly(v / s) - v / s))
    const sum = slope.reduce((total, v, i) => total + (i + 1) * v, 0)
    close(ds!, [0.25 * sum])
  })

  it('keeps a step for each channel apart', async () => {
    const b = newBuilder()
    const [tx, ts] = [b.input('x', 'float32', [2, 3]), b.input('s', 'float32', [2, 1])]
    const [y, , ds] = await found(learnedStep(tx, ts, levels), [tx, ts], { x: [0.2, 0.9, 9, 0.2, 0.9, 9], s: [0.5, 2] })
    close(y!, [0, 1, 1.5, 0, 0, 6])
    close(ds!, [1 * (0 - 0.4) + 2 * (2 - 1.8) + 3 * 3, 4 * (0 - 0.1) + 5 * (0 - 0.45) + 6 * 3])
  })

  it('scales the gradient by 1 / sqrt(N Qp)', () => {
    expect(stepGradientScale(576, { low: -8, high: 7 })).toBeCloseTo(1 / Math.sqrt(576 * 7), 12)
  })
})

const evenly = (v: number): number => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v))

describe('parameterized clipping', () => {
  it('clips at alpha, rounds to equal steps, and alpha learns from what it clips alone', async () => {
    const b = newBuilder()
    const [x, alpha] = [b.input('x', 'float32', [5]), b.input('alpha', 'float32', [])]
    const [y, dx, da] = await found(clippedActivation(x, alpha, { low: 0, high: 3 }), [x, alpha], {
      x: [-1, 0.4, 1.3, 2.9, 5],
      alpha: [1.5],
    })
    close(y!, [0, 0.5, 1.5, 1.5, 1.5])
    close(dx!, [0, 2, 3, 0, 0])
    close(da!, [4 + 5])
  })
})
