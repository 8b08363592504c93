import { broadcast, sameShape, showShape } from '../../ir/index.ts'
import { float, int } from '../attrs.ts'
import { defineOp, type Example, type TensorType } from '../rule.ts'
import { concat, type Tensor } from '../tensor.ts'
import { causalMask, dotProductAttention, joinHeads, maskWhere, repeatHeads, splitHeads } from '../support/attention.ts'

interface Heads {
  readonly q_num_heads: number
  readonly kv_num_heads: number
}

/** [B, H, S, D] of an operand that is given so, or flat as [B, S, H * D]. */
function byHead(t: TensorType, heads: number): readonly [number, number, number, number] {
  const [batch, second, third] = t.shape as [number, number, number]
  return t.shape.length === 3 ? [batch, heads, second, third / heads] : [batch, second, third, t.shape[3]!]
}

function sizes(q: TensorType, k: TensorType, v: TensorType, past: TensorType | undefined, a: Heads) {
  const [batch, heads, rows, depth] = byHead(q, a.q_num_heads)
  const [, groups, fresh] = byHead(k, a.kv_num_heads)
  const width = byHead(v, a.kv_num_heads)[3]
  const before = past?.shape[2] ?? 0
  return { batch, heads, groups, rows, depth, width, before, columns: before + fresh }
}

/**
 * What opset 24 added, as one additive mask [B, 1, S, T] for the operator of 23: `valid` [B] counts the keys that are no padding, and causal rows
 * end with it; a mask of fewer columns hides the others.
 */
function paddedMask(x: readonly (Tensor | undefined)[], s: ReturnType<typeof sizes>, causal: boolean): Tensor {
  const [q, , , mask, , , valid] = x as [Tensor, Tensor, Tensor, Tensor | undefined, undefined, undefined, Tensor | undefined]
  const { b, dtype } = q
  const hidden = maskWhere(b.zeros([1], 'bool'), dtype)
  let sum = b.zeros([s.batch, 1, s.rows, s.columns], dtype)
  if (mask) {
    const seen = mask.dtype === 'bool' ? maskWhere(mask, dtype) : mask
    const missing = mask.shape.at(-1) === 1 ? 0 : s.columns - mask.shape.at(-1)!
    const rest = [...mask.shape.slice(0, -1), missing]
    sum = sum.add(missing > 0 ? concat([seen, hidden.expand(rest)], mask.rank - 1) : seen)
  }
  if (!valid) return causal ? sum.add(causalMask(b, dtype, s.rows, s.columns, s.before)) : sum
  const steps = (n: number, shape: number[]) =>
    b.array(
      'int64',
      shape,
      Array.from({ length: n }, (_, i) => i),
    )
  const column = steps(s.columns, [1, 1, 1, s.columns])
  const count = valid.cast('int64').reshape([s.batch, 1, 1, 1])
  const kept = column.less(count)
  const row = steps(s.rows, [1, 1, s.rows, 1])
  const both = causal ? kept.emit('And', [column.lessOrEqual(row.add(count).sub(s.rows))]) : kept
  return sum.add(maskWhere(both, dtype))
}

const qkv = (...kv: number[]): Example['x'] => [
  [2, 4, 3, 2],
  [2, ...kv],
  [2, ...kv],
]

/**
 * Scaled dot-product attention over heads, with grouped keys and values, an additive or boolean mask, a cache of earlier keys and values.
 * Inputs: Q, K, V (each [B, H, S, D] or flat [B, S, H * D]), mask broadcast to [B, H, S, T], past keys and values [B, H, P, D].
 * Outputs: Y, keys, values, and the scores of `qk_matmul_output_mode`. Spec: onnx Attention-23; that of 24 is written in it.
 */
export const Attention = defineOp({
  type: 'Attention',
  since: 23,
  attrs: {
    is_causal: int(0),
    kv_num_heads: int(0),
    q_num_heads: int(0),
    qk_matmul_output_mode: int(0),
    scale: float(),
    softcap: float(0),
    softmax_precision: int(),
  },
  infer({ x: [q, k, v], a, opt, outputs, fail }) {
    if (q.shape.length === 3 && !(a.q_num_heads && a.kv_num_heads)) fail('flat operands need q_num_heads and kv_num_heads')
    const s = sizes(q, k, v, opt(4), a)
    if (s.heads % s.groups !== 0) fail(`${s.heads} query heads are not a multiple of ${s.groups} key heads`)
    const scores = [s.batch, s.heads, s.rows, s.columns]
    const mask = opt(3)
    // From opset 24 on a mask may have fewer columns.
    const covered = mask && mask.shape.at(-1)! < s.columns ? [...mask.shape.slice(0, -1), s.columns] : mask?.shape
    if (mask && !sameShape(broadcast(scores, covered!) ?? [], scores))
      fail(`mask ${showShape(mask.shape)} does not fit ${showShape(scores)}`)
    const y = q.shape.length === 3 ? [s.batch, s.rows, s.heads * s.width] : [s.batch, s.heads, s.rows, s.width]
    return [
      { dtype: q.dtype, shape: y },
      { dtype: k.dtype, shape: [s.batch, s.groups, s.columns, s.depth] },
      { dtype: v.dtype, shape: [s.batch, s.groups, s.columns, s.width] },
      { dtype: q.dtype, shape: scores },
    ].slice(0, outputs)
  },
  grad: 'expand',
  simplify({ x, a, y, b }) {
    const [q, k, v, mask, past, pastValues, valid] = x as readonly (Tensor | undefined)[]
    const s = sizes(q!, k!, v!, past, a)
    const short = mask && mask.shape.at(-1)! > 1 && mask.shape.at(-1)! < s.columns
    if (y.length > 1 || !(valid || short)) return undefined
    return b.emit('Attention', [q, k, v, paddedMask(x, s, a.is_causal !== 0), past, pastValues], { ...a, is_causal: 0 })[0]
  },
  expand({ b, x: [q, k, v], a, opt, outputs }) {
    const flat = q.rank === 3
    const s = sizes(q, k, v, opt(4), a)
    const [queries, freshKeys, freshValues] = flat
      ? [splitHeads(q, s.heads), splitHeads(k, s.groups), splitHeads(v, s.groups)]
      : [q, k, v]
    const keys = opt(4) ? concat([opt(4)!, freshKeys], 2) : freshKeys
    const values = opt(5) ? concat([opt(5)!, freshValues], 2) : freshValues
    const mask = opt(3)
    const bias = mask?.dtype === 'bool' ? maskWhere(mask, q.dtype) : mask
    const causal = a.is_causal ? causalMask(b, q.dtype, s.rows, s.columns, s.before) : undefined
    const done = dotProductAttention({
      q: queries,
      k: repeatHeads(keys, s.heads / s.groups),
      v: repeatHeads(values, s.heads / s.groups),
      scale: a.scale ?? 1 / Math.sqrt(s.depth),
      softcap: a.softcap,
      add: [bias, causal],
      blank: mask !== undefined,
    })
    const scores = [done.raw, done.capped, done.scores, done.weights][a.qk_matmul_output_mode]!
    return [flat ? joinHeads(done.y) : done.y, keys, values, scores].slice(0, outputs)
  },
  cost({ x: [q, k, v, , past], a }) {
    const s = sizes(q, k, v, past, a)
    return s.batch * s.heads * s.rows * s.columns * (2 * s.depth + 2 * s.width + 5)
  },
  channels: ({ x: [q] }) => [
    { a: ['x0', 0], b: ['y0', 0] },
    ...(q.shape.length === 4 ? [{ a: ['x0', 2], b: ['y0', 2] } as const] : []),
  ],
  examples: [
    { x: qkv(4, 5, 2), outputs: 1 },
    {
      x: [
        [2, 3, 8],
        [2, 3, 4],
        [2, 3, 6],
      ],
      a: { q_num_heads: 4, kv_num_heads: 2, is_causal: 1, scale: 0.4 },
    },
    { x: [...qkv(2, 5, 2), [3, 5]], a: { softcap: 1.5 } },
    {
      x: [
        ...qkv(4, 3, 2),
        {
          shape: [2, 1, 3, 5],
          values: [1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1],
          dtype: 'bool',
        },
        [2, 4, 2, 2],
        [2, 4, 2, 2],
      ],
      outputs: 3,
    },
    { x: [...qkv(4, 3, 2), null, [2, 4, 2, 2], [2, 4, 2, 2]], a: { is_causal: 1 }, outputs: 3 },
    { x: [...qkv(4, 5, 2), [2, 4, 3, 5]], a: { qk_matmul_output_mode: 1 }, outputs: 4 },
    { x: [...qkv(4, 5, 2), [3, 5]], a: { qk_matmul_output_mode: 2, softcap: 2 }, outputs: 4 },
    { x: qkv(4, 5, 2), a: { qk_matmul_output_mode: 3 }, outputs: 4 },
    { x: [[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 2, 2], { shape: [2, 2], values: [0, 0, 1, 0], dtype: 'bool' }] },
    { x: [[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 2, 2], { shape: [2, 2], values: [-Infinity, 0, 0, -Infinity] }], a: { is_causal: 1 } },
  ],
})
