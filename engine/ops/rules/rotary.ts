import { showShape, sizeOf } from '../../ir/index.ts'
import { float, int } from '../attrs.ts'
import { defineOp, type InferContext } from '../rule.ts'
import { angles, joinHeads, rotate, splitHeads } from '../support/attention.ts'
import { tieAxes } from '../support/axes.ts'
import { MICROSOFT } from '../support/contrib.ts'

const positions = (shape: readonly number[], values: readonly number[]) => ({ shape, dtype: 'int64' as const, values })
const wide = (...shape: number[]) => ({ shape, range: [-1, 1] as const })

function sameAsData({ x: [x], fail }: Pick<InferContext<unknown>, 'x' | 'fail'>) {
  if (x.shape.length !== 3 && x.shape.length !== 4) fail(`expected [B, S, hidden] or [B, H, S, D], found ${showShape(x.shape)}`)
  return [{ dtype: x.dtype, shape: x.shape }]
}

/**
 * Rotary position embedding. Inputs: data [B, S, hidden] or [B, H, S, D], cosines and sines as tables [positions, r] with position ids [B, S],
 * or one row for each token [B, S, r]. Spec: onnx RotaryEmbedding-23.
 */
export const RotaryEmbedding = defineOp({
  type: 'RotaryEmbedding',
  since: 23,
  attrs: { interleaved: int(0), num_heads: int(0), rotary_embedding_dim: int(0) },
  infer: sameAsData,
  grad: 'expand',
  expand({ x: [x, cos, sin], a, opt }) {
    const flat = x.rank === 3
    const heads = flat ? splitHeads(x, a.num_heads) : x
    const at = opt(3)
    const [c, s] = [cos, sin].map((t) => (at ? angles(t, at) : t.unsqueeze([1])))
    const turned = rotate(heads, c!, s!, a.interleaved !== 0)
    return [flat ? joinHeads(turned) : turned]
  },
  cost: ({ x: [x] }) => 3 * sizeOf(x.shape),
  channels: ({ x: [x] }) => tieAxes(x.shape.length, (i) => i < x.shape.length - 1),
  examples: [
    { x: [[2, 2, 3, 4], wide(5, 2), wide(5, 2), positions([2, 3], [0, 1, 2, 2, 3, 4])] },
    { x: [[2, 2, 3, 4], wide(2, 3, 2), wide(2, 3, 2)], a: { interleaved: 1 } },
    {
      x: [[2, 3, 12], wide(5, 2), wide(5, 2), positions([2, 3], [0, 1, 2, 2, 3, 4])],
      a: { num_heads: 2, rotary_embedding_dim: 4 },
    },
  ],
})

/** ONNX Runtime's rotary embedding: position ids [B, S], or one position [1] at which the sequence starts. */
export const RotaryEmbeddingMicrosoft = defineOp({
  type: 'RotaryEmbedding',
  domain: MICROSOFT,
  since: 1,
  attrs: { interleaved: int(0), num_heads: int(0), rotary_embedding_dim: int(0), is_packed_batching: int(0), scale: float(1) },
  infer: sameAsData,
  grad: 'expand',
  expand({ b, x: [x, at, cos, sin], a }) {
    const flat = x.rank === 3
    const [batch, length] = [x.shape[0]!, x.shape[flat ? 1 : 2]!]
    const heads = flat ? splitHeads(x, a.num_heads || x.shape[2]! / (2 * cos.shape[1]!)) : x
    const steps = b.array(
      'int64',
      [1, length],
      Array.from({ length }, (_, i) => i),
    )
    const row = at.size === 1 ? at.reshape([1, 1]).add(steps) : at.reshape([batch, length])
    const turned = rotate(heads, angles(cos, row), angles(sin, row), a.interleaved !== 0)
    return [flat ? joinHeads(turned) : turned]
  },
  cost: ({ x: [x] }) => 3 * sizeOf(x.shape),
  channels: ({ x: [x] }) => tieAxes(x.shape.length, (i) => i < x.shape.length - 1),
  examples: [
    { x: [[2, 3, 8], positions([1], [1]), wide(5, 2), wide(5, 2)] },
    { x: [[2, 2, 3, 4], positions([2, 3], [0, 1, 2, 2, 3, 4]), wide(5, 2), wide(5, 2)], a: { interleaved: 1 } },
    { x: [[1, 3, 12], positions([1], [0]), wide(5, 2), wide(5, 2)], a: { num_heads: 2, rotary_embedding_dim: 4 } },
  ],
})
