import { describe, expect, it } from 'vitest'
import { TensorData, type Model } from '../../ir/index.ts'
import { newBuilder } from '../../ops/index.ts'
import { random } from '../../random.ts'
import { gradcheck } from './index.ts'

const weights = (shape: readonly number[], scale: number) => {
  const data = new Float32Array(shape.reduce((n, d) => n * d, 1))
  return TensorData.of('float32', shape, random(1, ...shape).fillNormal(data, 0, scale))
}

/** Convolutions over pictures of a fixed size, and their mean: any size would do. */
function convolutional(size: number): Model {
  const b = newBuilder()
  const x = b.input('x', 'float32', [1, 3, size, size])
  const first = b.constant(weights([16, 3, 3, 3], 0.3), 'first')
  const second = b.constant(weights([16, 16, 3, 3], 0.1), 'second')
  const h = x.emit('Conv', [first], { pads: [1, 1, 1, 1] }).relu()
  return b.model({ y: h.emit('Conv', [second]).relu().mean([2, 3]) })
}

/** A sigmoid of sums so large that it is flat at inputs of unit variance. */
function saturated(): Model {
  const b = newBuilder()
  const x = b.input('x', 'float32', [2, 8])
  return b.model({
    y: x
      .matmul(b.constant(weights([8, 4], 200), 'w'))
      .tanh()
      .square(),
  })
}

describe('gradcheck', () => {
  it('makes large pictures smaller where the graph takes that', async () => {
    const { passed, inputs, dtype, vacuous } = await gradcheck(convolutional(640), {
      wrt: 'parameters',
      order: 1,
      seed: 1,
      threads: 1,
    })
    expect({ passed, dtype, vacuous }).toEqual({ passed: true, dtype: 'float64', vacuous: 0 })
    expect(inputs).toEqual({ x: [1, 3, 160, 160] })
  })

  it('scales inputs that saturate a model', async () => {
    const { passed, vacuous, checked } = await gradcheck(saturated(), { wrt: 'parameters', order: 2, seed: 1, threads: 1 })
    expect({ passed, vacuous }).toEqual({ passed: true, vacuous: 0 })
    expect(checked).toBeGreaterThan(0)
  })
})
