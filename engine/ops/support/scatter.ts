import type { Tensor } from '../tensor.ts'

/**
 * Gradient of picking slices along an axis: adds slice k of `d` to slice `index[k]` of zeros.
 * @param d of shape [..., n, ...], n at `axis`. @param index int64 or int32 [n], negative ones count from the end. Returns [..., size, ...].
 */
export function scatterAlong(d: Tensor, index: Tensor, axis: number, size: number): Tensor {
  const { b } = d
  const zeros = b.zeros(
    d.shape.map((e, i) => (i === axis ? size : e)),
    d.dtype,
  )
  // ScatterND takes int64 only.
  if (axis === 0) return zeros.emit('ScatterND', [index.cast('int64').reshape([index.size, 1]), d], { reduction: 'add' })
  const column = d.shape.map((e, i) => (i === axis ? e : 1))
  return zeros.emit('ScatterElements', [index.reshape(column).expand(d.shape), d], { axis, reduction: 'add' })
}
