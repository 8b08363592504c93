/**
 * Operators that opsets above the working one defined or changed. Left out are those that only came to take further element types of eight
 * bits and fewer (Cast, Reshape, Shape, QuantizeLinear and others of 24 and 25): for the types that there were before, they mean the same. So do
 * Attention, Swish and TensorScatter of 24, which their rules write in older ones.
 */
const CHANGED: Record<number, string> = {
  25: 'Attention',
  26: 'BitCast CumProd',
  27: 'CausalConvWithState LinearAttention Range',
  28: 'Celu SwiGLU',
}

/** The newest opset above `target` and up to `opset` that changed the operator, or undefined. */
export function changedAfter(op: string, target: number, opset: number): number | undefined {
  for (let version = opset; version > target; version--) if (CHANGED[version]?.split(' ').includes(op)) return version
  return undefined
}
