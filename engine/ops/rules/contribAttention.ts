import { UnsupportedError } from '../../errors.ts'
import { showShape } from '../../ir/index.ts'
import { float, int, ints } from '../attrs.ts'
import { defineOp, type TensorType } from '../rule.ts'
import { concat, type Tensor } from '../tensor.ts'
import { causalMask, dotProductAttention, joinHeads, splitHeads } from '../support/attention.ts'
import { MICROSOFT } from '../support/contrib.ts'
import { keyMask } from '../support/keyMask.ts'

const words = (shape: readonly number[], values: readonly number[]) => ({ shape, dtype: 'int32' as const, values })

/** Floating-point operations of the products and the softmax of attention; `width` is the size of one head. */
const dotCost = (batch: number, heads: number, rows: number, columns: number, width: number) =>
  batch * heads * rows * columns * (4 * width + 5)

/** The parts of a merged projection's width: queries, keys, values. */
const merged = (width: number, given: readonly number[] | undefined): readonly number[] => given ?? Array<number>(3).fill(width / 3)

/**
 * Self-attention with its merged input projection, as BERT and GPT-2 have it. Inputs: data [B, S, I], weights [I, Q + K + V], bias [Q + K + V],
 * mask, past [2, B, H, P, D], bias of the scores. Outputs: [B, S, V], past and present keys and values [2, B, H, P + S, D].
 */
export const AttentionMicrosoft = defineOp({
  type: 'Attention',
  domain: MICROSOFT,
  since: 1,
  attrs: {
    num_heads: int(1),
    unidirectional: int(0),
    qkv_hidden_sizes: ints(),
    mask_filter_value: float(-10000),
    scale: float(),
    do_rotary: int(0),
    rotary_embedding_dim: int(0),
    past_present_share_buffer: int(0),
  },
  infer({ x: [x, w], a, opt, outputs, fail }) {
    if (x.shape.length !== 3 || w.shape.length !== 2 || x.shape[2] !== w.shape[0])
      fail(`data ${showShape(x.shape)} do not fit weights ${showShape(w.shape)}`)
    if (a.past_present_share_buffer) fail('shared buffers of past and present are not supported')
    const [batch, rows] = x.shape as [number, number]
    const [q, , v] = merged(w.shape[1]!, a.qkv_hidden_sizes) as [number, number, number]
    const columns = (opt(4)?.shape[3] ?? 0) + rows
    return [
      { dtype: x.dtype, shape: [batch, rows, v] },
      { dtype: x.dtype, shape: [2, batch, a.num_heads, columns, q / a.num_heads] },
    ].slice(0, outputs)
  },
  grad: 'expand',
  expand({ b, x: [x, w], a, opt, outputs }) {
    if (a.do_rotary) throw new UnsupportedError('no gradient for Attention with do_rotary')
    const [batch, rows] = x.shape as [number, number]
    const all = opt(2) ? x.matmul(w).add(opt(2)!) : x.matmul(w)
    const [q, k, v] = all.split(merged(w.shape[1]!, a.qkv_hidden_sizes), 2).map((t) => splitHeads(t, a.num_heads)) as [
      Tensor,
      Tensor,
      Tensor,
    ]
    const [pastKeys, pastValues] =
      opt(4)
        ?.split([1, 1], 0)
        .map((t) => t.squeeze([0])) ?? []
    const keys = pastKeys ? concat([pastKeys, k], 2) : k
    const values = pastValues ? concat([pastValues, v], 2) : v
    const columns = keys.shape[2]!
    const { y } = dotProductAttention({
      q,
      k: keys,
      v: values,
      scale: a.scale || 1 / Math.sqrt(q.shape[3]!),
      add: [
        opt(5),
        opt(3) && keyMask(opt(3)!, batch, columns, a.mask_filter_value, x),
        a.unidirectional ? causalMask(b, x.dtype, rows, columns, columns - rows) : undefined,
      ],
    })
    if (outputs < 2) return [joinHeads(y)]
    return [joinHeads(y), concat([keys.unsqueeze([0]), values.unsqueeze([0])], 0)]
  },
  cost({ x: [x, w, , , past], a }) {
    const [batch, rows, size] = x.shape as [number, number, number]
    const columns = rows + (past?.shape[3] ?? 0)
    return 2 * batch * rows * size * w.shape[1]! + dotCost(batch, a.num_heads, rows, columns, w.shape[1]! / 3 / a.num_heads)
  },
  channels: ({ x: [, , bias] }) => [
    { a: ['x0', 2], b: ['x1', 0] },
    { a: ['x0', 0], b: ['y0', 0] },
    { a: ['x0', 1], b: ['y0', 1] },
    ...(bias ? [{ a: ['x1', 1], b: ['x2', 0] } as const] : []),
  ],
  quant: { inputs: [0, 1], weight: { input: 1, axis: 1 } },
  examples: [
    { x: [[2, 3, 4], [4, 12], [12]], a: { num_heads: 2 } },
    { x: [[2, 3, 4], [4, 12], [12], words([2, 3], [1, 1, 0, 1, 1, 1])], a: { num_heads: 2, scale: 0.4 } },
    { x: [[2, 3, 4], [4, 12], [12], words([2], [2, 3])], a: { num_heads: 2 } },
    { x: [[2, 3, 4], [4, 12], [12], words([4], [3, 2, 1, 0])], a: { num_heads: 2, unidirectional: 1 } },
    {
      x: [[2, 3, 4], [4, 12], [12], words([2, 3, 3], [1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1])],
      a: { num_heads: 1 },
    },
    { x: [[2, 3, 4], [4, 14], [14], null, null, [2, 2, 3, 3]], a: { num_heads: 2, qkv_hidden_sizes: [4, 4, 6] } },
    { x: [[2, 3, 4], [4, 12], [12], null, [2, 2, 2, 1, 2]], a: { num_heads: 2, unidirectional: 1 }, outputs: 2 },
  ],
})

/** Sequence length of one operand, whether it is flat [B, L, hidden] or by head [B, H, L, D]. */
const lengthOf = (t: TensorType) => (t.shape.length === 4 ? t.shape[2]! : t.shape[1]!)

/** Queries, keys and values by head, with the bias of their projection added. */
function operands(flat: readonly Tensor[], bias: Tensor | undefined, heads: number): Tensor[] {
  const width = flat[0]!.shape[2]!
  return flat.map((t, i) => {
    if (t.rank === 4) return t
    const part = bias?.slice([i * width], [i * width + t.shape[2]!], [0])
    return splitHeads(part ? t.add(part) : t, heads)
  })
}

/**
 * Attention of projected queries, keys and values. Inputs: query [B, S, hidden], key and value (flat, or by head [B, H, T, D]), bias of the
 * projections, key padding mask, bias of the scores, past keys and values [B, H, P, D]. Packed operands have no kernel on the CPU.
 */
export const MultiHeadAttention = defineOp({
  type: 'MultiHeadAttention',
  domain: MICROSOFT,
  since: 1,
  attrs: { num_heads: int(1), mask_filter_value: float(-10000), scale: float(), unidirectional: int(0) },
  infer({ x: [q], a, opt, outputs, fail }) {
    const [batch, rows] = q.shape as [number, number]
    const [key, value] = [opt(1), opt(2)]
    if (q.shape.length !== 3 || !key || !value) return fail('packed queries, keys and values have no kernel on the CPU')
    if (opt(8)) fail('shared buffers of past and present are not supported')
    const hidden = q.shape[2]!
    if (hidden % a.num_heads !== 0) fail(`${hidden} is not a multiple of ${a.num_heads} heads`)
    const valueWidth = value.shape.length === 4 ? value.shape[3]! * a.num_heads : value.shape[2]!
    const columns = (opt(6)?.shape[2] ?? 0) + lengthOf(key)
    const cache = (width: number) => ({ dtype: q.dtype, shape: [batch, a.num_heads, columns, width / a.num_heads] })
    return [
      { dtype: q.dtype, shape: [batch, rows, valueWidth] },
      cache(hidden),
      cache(valueWidth),
      { dtype: q.dtype, shape: [batch, a.num_heads, rows, columns] },
    ].slice(0, outputs)
  },
  grad: 'expand',
  expand({ b, x: [query, key, value], a, opt, outputs }) {
    const [q, k, v] = operands([query, key, value], opt(3), a.num_heads) as [Tensor, Tensor, Tensor]
    const keys = opt(6) ? concat([opt(6)!, k], 2) : k
    const values = opt(7) ? concat([opt(7)!, v], 2) : v
    const [batch, , rows, depth] = q.shape as [number, number, number, number]
    const columns = keys.shape[2]!
    const { y, weights } = dotProductAttention({
      q,
      k: keys,
      v: values,
      scale: a.scale || 1 / Math.sqrt(depth),
      add: [
        opt(5),
        opt(4) && keyMask(opt(4)!, batch, columns, a.mask_filter_value, q),
        a.unidirectional ? causalMask(b, q.dtype, rows, columns, columns - rows) : undefined,
      ],
    })
    return [joinHeads(y), keys, values, weights].slice(0, outputs)
  },
  cost({ x: [q, key, , , , , past], a }) {
    const columns = lengthOf(key) + (past?.shape[2] ?? 0)
    return dotCost(q.shape[0]!, a.num_heads, q.shape[1]!, columns, q.shape[2]! / a.num_heads)
  },
  channels: () => [
    { a: ['x0', 0], b: ['y0', 0] },
    { a: ['x0', 1], b: ['y0', 1] },
  ],
  examples: [
    {
      x: [
        [2, 3, 4],
        [2, 5, 4],
        [2, 5, 4],
      ],
      a: { num_heads: 2 },
    },
    { x: [[2, 3, 4], [2, 5, 4], [2, 5, 6], [14], words([2, 5], [1, 1, 1, 0, 0, 1, 1, 1, 1, 1])], a: { num_heads: 2, scale: 0.4 } },
    { x: [[2, 3, 4], [2, 3, 4], [2, 3, 4], null, null, [1, 2, 3, 3]], a: { num_heads: 2, unidirectional: 1 } },
    { x: [[2, 2, 4], [2, 2, 4], [2, 2, 4], null, null, null, [2, 2, 3, 2], [2, 2, 3, 2]], a: { num_heads: 2 }, outputs: 3 },
    {
      x: [
        [2, 3, 4],
        [2, 2, 5, 2],
        [2, 2, 5, 2],
      ],
      a: { num_heads: 2 },
    },
  ],
})
