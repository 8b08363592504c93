import { UnsupportedError } from '../../errors.ts'
import { isFloat, sameShape, showShape, sizeOf } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { concat, type Tensor } from '../tensor.ts'
import { MICROSOFT } from '../support/contrib.ts'

/** Codes of `bits` bits from bytes, the lowest bits first, along the last axis: int32 [..., n] to floats [..., n * 8 / bits]. */
function unpack(bytes: Tensor, bits: number, like: Tensor): Tensor {
  const values = bytes.cast('int32')
  if (bits === 8) return values.like(like)
  const parts = Array.from({ length: 8 / bits }, (_, i) =>
    values
      .div(2 ** (bits * i))
      .emit('Mod', [values.lift(2 ** bits)])
      .unsqueeze([values.rank]),
  )
  return concat(parts, values.rank)
    .reshape([...values.shape.slice(0, -1), (values.shape.at(-1)! * 8) / bits])
    .like(like)
}

/**
 * A B' + bias with B [N, K] in blocks of 2, 4 or 8-bit codes along K. Inputs: A [..., K], B uint8 [N, blocks, bytes of a block],
 * scales [N, blocks] (or flat), zero points packed as B (or floats), order of the groups, bias [N]. B is frozen; A, scales and bias have gradients.
 */
export const MatMulNBits = defineOp({
  type: 'MatMulNBits',
  domain: MICROSOFT,
  since: 1,
  attrs: { K: int(0), N: int(0), bits: int(4), block_size: int(32), accuracy_level: int(0), weight_prepacked: int(0) },
  infer({ x: [x, w], a, fail }) {
    if (x.shape.at(-1) !== a.K) fail(`rows of ${x.shape.at(-1)} for K = ${a.K}`)
    const blocks = Math.ceil(a.K / a.block_size)
    const wanted = [a.N, blocks, (a.block_size * a.bits) / 8]
    if (!sameShape(w.shape, wanted)) fail(`weights ${showShape(w.shape)}, expected ${showShape(wanted)}`)
    return [{ dtype: x.dtype, shape: [...x.shape.slice(0, -1), a.N] }]
  },
  grad: 'expand',
  expand({ b, x: [x, w, scales], a, opt }) {
    if (opt(4)) throw new UnsupportedError('no gradient for MatMulNBits with a group order')
    const blocks = w.shape[1]!
    const column = [a.N, blocks, 1]
    const given = opt(3)
    const zero = !given
      ? b.scalar(2 ** (a.bits - 1), x.dtype)
      : isFloat(given.dtype)
        ? given.like(x).reshape(column)
        : unpack(given.reshape([a.N, given.size / a.N]), a.bits, x)
            .slice([0], [blocks], [1])
            .reshape(column)
    const rows = unpack(w, a.bits, x)
      .sub(zero)
      .mul(scales.like(x).reshape(column))
      .reshape([a.N, blocks * a.block_size])
    const y = x.matmul((blocks * a.block_size === a.K ? rows : rows.slice([0], [a.K], [1])).T)
    return [opt(5) ? y.add(opt(5)!) : y]
  },
  cost: ({ x: [x], a }) => 2 * sizeOf(x.shape) * a.N,
  channels: ({ x: [x] }) => x.shape.slice(0, -1).map((_, i) => ({ a: ['x0', i], b: ['y0', i] }) as const),
  examples: [
    { x: [[2, 16], bytes([3, 1, 8]), scales([3, 1])], a: { K: 16, N: 3, block_size: 16 } },
    { x: [[2, 3, 20], bytes([2, 2, 8]), scales([4]), bytes([2]), null, [2]], a: { K: 20, N: 2, block_size: 16 } },
    { x: [[2, 20], bytes([2, 2, 16]), scales([2, 2]), bytes([2, 2])], a: { K: 20, N: 2, block_size: 16, bits: 8 } },
    { x: [[2, 16], bytes([2, 1, 4]), scales([2, 1])], a: { K: 16, N: 2, block_size: 16, bits: 2 } },
  ],
})

function bytes(shape: readonly number[]) {
  return { shape, dtype: 'uint8' as const, values: Array.from({ length: sizeOf(shape) }, (_, i) => (i * 89 + 23) % 256) }
}

function scales(shape: readonly number[]) {
  return { shape, range: [0.05, 0.2] as const }
}
