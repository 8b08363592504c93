import { UnsupportedError } from '../../errors.ts'
import { showShape } from '../../ir/index.ts'
import { float, int, string } from '../attrs.ts'
import { defineOp, type TensorType } from '../rule.ts'
import { concat, type Tensor } from '../tensor.ts'
import { angles, causalMask, dotProductAttention, joinHeads, repeatHeads, rotate, splitHeads } from '../support/attention.ts'
import { MICROSOFT } from '../support/contrib.ts'

const words = (shape: readonly number[], values: readonly number[]) => ({ shape, dtype: 'int32' as const, values })

const table = { shape: [5, 8], range: [-1, 1] as const }

interface Attrs {
  readonly num_heads: number
  readonly kv_num_heads: number
}

/** Size of one head; queries alone, or packed with keys and values. */
const headSize = (q: TensorType, key: TensorType | undefined, a: Attrs): number =>
  q.shape[2]! / (key ? a.num_heads : a.num_heads + 2 * a.kv_num_heads)

/**
 * Causal attention of grouped heads with a cache, as language models are exported. Inputs: query [B, S, H * D] (or packed with keys and values),
 * key and value [B, S, G * D], past keys and values [B, G, P, D], last positions [B], total length, tables of rotary cosines and sines,
 * position ids, bias of the scores, logit [H] of a sink. Outputs: [B, S, H * D], present keys and values.
 * Differentiable for a first call (no past), and for a past that is full in every row.
 */
export const GroupQueryAttention = defineOp({
  type: 'GroupQueryAttention',
  domain: MICROSOFT,
  since: 1,
  attrs: {
    num_heads: int(1),
    kv_num_heads: int(1),
    scale: float(),
    softcap: float(0),
    local_window_size: int(-1),
    do_rotary: int(0),
    rotary_interleaved: int(0),
    smooth_softmax: int(-1),
    causal: int(1),
    qk_output: int(0),
    k_quant_type: string('NONE'),
    v_quant_type: string('NONE'),
    kv_cache_bit_width: int(0),
    sliding_window_cache: int(0),
    qk_norm_epsilon: float(1e-6),
  },
  infer({ x: [q, key], a, opt, value, outputs, fail }) {
    const [batch, rows] = q.shape as [number, number]
    const size = headSize(q, opt(1), a)
    if (a.num_heads % a.kv_num_heads !== 0 || !Number.isInteger(size))
      fail(`${a.num_heads} query and ${a.kv_num_heads} key heads do not fit ${showShape(q.shape)} and ${showShape(key?.shape)}`)
    const before = opt(3)?.shape[2] ?? 0
    const columns = Math.max(before, value(6)?.[0] ?? before + rows)
    const cache = { dtype: opt(3)?.dtype ?? q.dtype, shape: [batch, a.kv_num_heads, columns, size] }
    return [{ dtype: q.dtype, shape: [batch, rows, a.num_heads * size] }, cache, cache].slice(0, outputs)
  },
  grad: 'expand',
  expand({ b, x, a, opt, outputs }) {
    const [query] = x
    const rows = query.shape[1]!
    const size = headSize(query, opt(1), a)
    const before = opt(3)?.shape[2] ?? 0
    const last = x[5].value?.numbers()
    const rejected =
      a.k_quant_type !== 'NONE' || a.v_quant_type !== 'NONE'
        ? 'a quantized cache'
        : a.sliding_window_cache
          ? 'a windowed cache'
          : before > 0 && !last?.every((v) => v === before + rows - 1)
            ? 'a past that is not known to be full'
            : undefined
    if (rejected) throw new UnsupportedError(`no gradient for GroupQueryAttention with ${rejected}`)
    const widths = [a.num_heads, a.kv_num_heads, a.kv_num_heads].map((h) => h * size)
    const flat = opt(1) ? [query, opt(1)!, opt(2)!] : query.split(widths, 2)
    const byHead = flat.map((t) => splitHeads(t, t.shape[2]! / size)) as [Tensor, Tensor, Tensor]
    let [q, k] = byHead
    if (a.do_rotary) {
      const at =
        opt(9) ??
        b.array(
          'int64',
          [1, rows],
          Array.from({ length: rows }, (_, i) => before + i),
        )
      const [cos, sin] = [angles(opt(7)!, at), angles(opt(8)!, at)]
      q = rotate(q, cos, sin, a.rotary_interleaved !== 0)
      k = rotate(k, cos, sin, a.rotary_interleaved !== 0)
    }
    const keys = opt(3) ? concat([opt(3)!, k], 2) : k
    const values = opt(4) ? concat([opt(4)!, byHead[2]], 2) : byHead[2]
    const times = a.num_heads / a.kv_num_heads
    const { y } = dotProductAttention({
      q,
      k: repeatHeads(keys, times),
      v: repeatHeads(values, times),
      scale: a.scale || 1 / Math.sqrt(size),
      softcap: a.softcap,
      add: [opt(10), a.causal ? causalMask(b, q.dtype, rows, keys.shape[2]!, before, a.local_window_size) : undefined],
      sink: opt(11) ?? (a.smooth_softmax === 1 ? b.zeros([a.num_heads], q.dtype) : undefined),
    })
    return [joinHeads(y), keys, values].slice(0, outputs)
  },
  cost({ x: [q, key, , past], a }) {
    const [batch, rows] = q.shape as [number, number]
    const columns = rows + (past?.shape[2] ?? 0)
    return batch * a.num_heads * rows * columns * (4 * headSize(q, key, a) + 5)
  },
  channels: () => [
    { a: ['x0', 0], b: ['y0', 0] },
    { a: ['x0', 1], b: ['y0', 1] },
  ],
  examples: [
    {
      x: [[2, 3, 32], [2, 3, 16], [2, 3, 16], null, null, words([2], [2, 2]), words([], [3])],
      a: { num_heads: 2, kv_num_heads: 1 },
      outputs: 3,
    },
    {
      x: [[1, 3, 64], null, null, null, null, words([1], [2]), words([], [3]), table, table],
      a: { num_heads: 2, kv_num_heads: 1, do_rotary: 1, softcap: 2, scale: 0.3 },
      outputs: 3,
    },
    {
      x: [[1, 4, 32], [1, 4, 32], [1, 4, 32], null, null, words([1], [3]), words([], [4])],
      a: { num_heads: 2, kv_num_heads: 2, local_window_size: 2, smooth_softmax: 1 },
      outputs: 3,
    },
    {
      x: [[1, 1, 32], [1, 1, 16], [1, 1, 16], [1, 1, 3, 16], [1, 1, 3, 16], words([1], [3]), words([], [4]), table, table],
      a: { num_heads: 2, kv_num_heads: 1, do_rotary: 1, rotary_interleaved: 1 },
      outputs: 3,
    },
    {
      x: [[1, 3, 32], [1, 3, 16], [1, 3, 16], null, null, words([1], [2]), words([], [3]), null, null, null, [1, 2, 3, 3], [2]],
      a: { num_heads: 2, kv_num_heads: 1, softcap: 1.5 },
      outputs: 3,
    },
  ],
})
