import { UnsupportedError } from '../../errors.ts'
import { showShape } from '../../ir/index.ts'
import type { Tensor } from '../tensor.ts'
import { maskWhere } from './attention.ts'

/**
 * The additive mask of a `mask_index` or `key_padding_mask`, broadcast to [B, H, S, T]: 0 for keys that are seen, `filter` for others. Forms:
 * [B, T] and [B, S, T] with 1 for seen keys; [B] with the number of seen keys; [2 B] with the ends and then the starts of the seen keys.
 * Errors: UnsupportedError for other forms.
 */
export function keyMask(mask: Tensor, batch: number, columns: number, filter: number, like: Tensor): Tensor {
  const { b } = mask
  const additive = (keep: Tensor) => maskWhere(keep, like.dtype, filter)
  if (mask.rank === 2 && mask.shape[1] === columns) return additive(mask.greater(0).reshape([batch, 1, 1, columns]))
  if (mask.rank === 3) return additive(mask.greater(0).unsqueeze([1]))
  if (mask.rank === 1 && (mask.size === batch || mask.size === 2 * batch)) {
    const column = b.array(
      mask.dtype,
      [1, 1, 1, columns],
      Array.from({ length: columns }, (_, i) => i),
    )
    const [ends, starts] = [0, 1].map((i) =>
      i * batch < mask.size ? mask.slice([i * batch], [(i + 1) * batch], [0]).reshape([batch, 1, 1, 1]) : undefined,
    )
    const below = column.less(ends!)
    return additive(starts ? below.emit('And', [column.greaterOrEqual(starts)]) : below)
  }
  throw new UnsupportedError(`no gradient for attention with a mask of shape ${showShape(mask.shape)}`, {
    hint: 'masks [B, T], [B, S, T], [B] and [2 B] have one',
  })
}
