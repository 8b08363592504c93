import { describe, expect, it } from 'vitest'
import { TensorData, type Model } from '../../ir/index.ts'
import { newBuilder } from '../../ops/index.ts'
import { gradcheck } from './index.ts'

/** A quantized layer: activations by tensor, weights by column, one of them out of range. */
function quantized(): Model {
  const b = newBuilder()
  const x = b.input('x', 'float32', [2, 4])
  const scale = b.constant(TensorData.from('float32', [1], [0.02]), 'scale')
  const zero = b.constant(TensorData.from('uint8', [1], [100]))
  const codes = x.emit('QuantizeLinear', [scale, zero])
  const w = b.constant(
    TensorData.from(
      'int8',
      [4, 3],
      Array.from({ length: 12 }, (_, i) => 17 * i - 90),
    ),
    'w',
  )
  const columns = b.constant(TensorData.from('float32', [3], [0.01, 0.02, 0.03]), 'columns')
  const y = codes
    .emit('DequantizeLinear', [scale, zero])
    .matmul(b.emit('DequantizeLinear', [w, columns], { axis: 1 })[0]!)
    .tanh()
  return b.model({ y })
}

describe('gradcheck of a quantized model', () => {
  it('compares with differences of clips, in double precision', async () => {
    const result = await gradcheck(quantized(), { wrt: 'all', order: 2, seed: 3, threads: 1 })
    expect(result.passed).toBe(true)
    expect(result.dtype).toBe('float64')
    expect(result.tensors.map((t) => t.name).sort()).toEqual(['columns', 'scale', 'x'])
    // Not everything is checked against nothing: the input's and the scales' gradients are there.
    expect(result.tensors.every((t) => t.checked > 0)).toBe(true)
  })
})
