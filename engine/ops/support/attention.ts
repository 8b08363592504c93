import type { Builder } from '../builder.ts'
import type { DataType } from '../../ir/index.ts'
import { concat, where, type Tensor } from '../tensor.ts'

/** The most negative number that both halves of a masked softmax can add to without becoming infinite in single precision. */
const LOWEST: Partial<Record<DataType, number>> = { float16: -65504, bfloat16: -3.38e38 }
const lowest = (dtype: DataType): number => LOWEST[dtype] ?? -3.4028234663852886e38

export interface DotProduct {
  /** [B, H, S, D]. */
  readonly q: Tensor
  /** [B, H, T, D], and [B, H, T, Dv]. */
  readonly k: Tensor
  readonly v: Tensor
  readonly scale: number
  /** Scores are squashed to (-softcap, softcap) by tanh; 0 leaves them. */
  readonly softcap?: number
  /** Added to the scores after that, broadcast to [B, H, S, T]: biases and masks. */
  readonly add?: readonly (Tensor | undefined)[]
  /** Rows that are masked whole give 0, and no gradient, instead of an even mixture (or no numbers). */
  readonly blank?: boolean
  /** Logits [H] of one more key that takes part in the softmax and has no value. */
  readonly sink?: Tensor | undefined
}

/** softmax(scale q k' + bias) v, and the scores [B, H, S, T] at every stage. Vaswani et al. 2017, equation 1. */
export function dotProductAttention({ q, k, v, scale, softcap = 0, add = [], blank = false, sink }: DotProduct) {
  const raw = q.matmul(k.transpose([0, 1, 3, 2])).mul(scale)
  const capped =
    softcap > 0
      ? raw
          .mul(1 / softcap)
          .tanh()
          .mul(softcap)
      : raw
  const scores = add.reduce((s: Tensor, t) => (t ? s.add(t) : s), capped)
  let weights: Tensor
  if (sink) {
    const [batch, heads, rows, columns] = scores.shape as [number, number, number, number]
    const extra = sink.reshape([1, heads, 1, 1]).expand([batch, heads, rows, 1])
    weights = concat([scores, extra], 3).softmax(-1).slice([0], [columns], [3])
  } else if (blank) {
    const floor = raw.lift(lowest(raw.dtype))
    weights = scores.emit('Clip', [floor]).softmax(-1).mul(scores.greater(floor).like(raw))
  } else weights = scores.softmax(-1)
  return { y: weights.matmul(v), raw, capped, scores, weights }
}

/**
 * Zero where query row s may see key column t, the lowest number elsewhere: [S, T], with t <= s + offset, and, with a window,
 * t > s + offset - window. `offset` is the number of keys before the first query.
 */
export function causalMask(b: Builder, dtype: DataType, rows: number, columns: number, offset: number, window = -1): Tensor {
  const triangle = (k: number, upper: number) =>
    b.full([rows, columns], lowest(dtype), dtype).emit('Trilu', [b.scalar(k, 'int64')], { upper })
  const later = triangle(offset + 1, 1)
  return window < 0 ? later : later.add(triangle(offset - window, 0))
}

/** Zero where `keep` is true, `value` (the lowest number when left out) elsewhere. */
export const maskWhere = (keep: Tensor, dtype: DataType, value = lowest(dtype)): Tensor =>
  where(keep, keep.b.scalar(0, dtype), keep.b.scalar(value, dtype))

/** [B, S, H * D] to [B, H, S, D]. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, length, size] = x.shape as [number, number, number]
  return x.reshape([batch, length, heads, size / heads]).transpose([0, 2, 1, 3])
}

/** [B, H, S, D] to [B, S, H * D]. */
export function joinHeads(x: Tensor): Tensor {
  const [batch, heads, length, size] = x.shape as [number, number, number, number]
  return x.transpose([0, 2, 1, 3]).reshape([batch, length, heads * size])
}

/** Every head of [B, G, T, D] `times` in a row: grouped heads, one for each query head. */
export function repeatHeads(x: Tensor, times: number): Tensor {
  if (times === 1) return x
  const [batch, groups, length, size] = x.shape as [number, number, number, number]
  return x
    .unsqueeze([2])
    .expand([batch, groups, times, length, size])
    .reshape([batch, groups * times, length, size])
}

/**
 * Rotary position embedding of [B, H, S, D]: the first `2 r` of D as r planes, each turned by its angle. Su et al. 2021.
 * @param cos, sin of shape [B or 1, 1, S, r]. @param interleaved planes are neighbours (2 i, 2 i + 1) instead of halves (i, i + r).
 */
export function rotate(x: Tensor, cos: Tensor, sin: Tensor, interleaved: boolean): Tensor {
  const [batch, heads, length, size] = x.shape as [number, number, number, number]
  const planes = cos.shape[3]!
  const moving = x.slice([0], [2 * planes], [3])
  const [p, q] = interleaved
    ? moving
        .reshape([batch, heads, length, planes, 2])
        .split([1, 1], 4)
        .map((t) => t.reshape([batch, heads, length, planes]))
    : moving.split([planes, planes], 3)
  const parts = [p!.mul(cos).sub(q!.mul(sin)), p!.mul(sin).add(q!.mul(cos))]
  const turned = interleaved
    ? concat(
        parts.map((t) => t.unsqueeze([4])),
        4,
      ).reshape([batch, heads, length, 2 * planes])
    : concat(parts, 3)
  return 2 * planes === size ? turned : concat([turned, x.slice([2 * planes], [size], [3])], 3)
}

/** Rows of a table of angles [positions, r] at positions [B, S]: [B, 1, S, r]. */
export const angles = (table: Tensor, positions: Tensor): Tensor => table.gather(positions).unsqueeze([1])
