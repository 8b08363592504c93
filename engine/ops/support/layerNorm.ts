import type { Tensor } from '../tensor.ts'

/**
 * Normalization over `axes` to mean 0 and variance 1, times `scale`, plus `bias` (both broadcast). Ba, Kiros & Hinton 2016.
 * Also returns the mean and 1 / sqrt(var + epsilon), with the axes kept as 1.
 */
export function layerNorm(
  x: Tensor,
  axes: readonly number[],
  epsilon: number,
  scale?: Tensor,
  bias?: Tensor,
): { y: Tensor; mean: Tensor; inverse: Tensor } {
  const mean = x.mean(axes, true)
  const { y, inverse } = rmsNorm(x.sub(mean), axes, epsilon, scale)
  return { y: bias ? y.add(bias) : y, mean, inverse }
}

/** x / sqrt(mean x^2 + epsilon) over `axes`, times `scale`. Zhang & Sennrich 2019. Also returns 1 / sqrt(mean x^2 + epsilon). */
export function rmsNorm(x: Tensor, axes: readonly number[], epsilon: number, scale?: Tensor): { y: Tensor; inverse: Tensor } {
  const inverse = x.square().mean(axes, true).add(epsilon).sqrt().reciprocal()
  const y = x.mul(inverse)
  return { y: scale ? y.mul(scale) : y, inverse }
}
