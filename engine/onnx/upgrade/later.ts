/** Operators that opsets above the working one defined or changed. */
const CHANGED: Record<number, string> = {
  24: 'Attention Cast CastLike Constant ConstantOfShape DequantizeLinear Flatten Identity If Loop Pad QuantizeLinear Reshape Scan Shape Size SplitToSequence Squeeze Swish TensorScatter TopK Transpose Unsqueeze',
  25: 'Attention Cast CastLike Constant ConstantOfShape DequantizeLinear Flatten Identity If Loop Pad QuantizeLinear Reshape Scan Shape Size Squeeze Transpose Unsqueeze',
  26: 'BitCast CumProd',
  27: 'CausalConvWithState LinearAttention Range',
  28: 'Celu SwiGLU',
}

/** The newest opset above `target` and up to `opset` that changed the operator, or undefined. */
export function changedAfter(op: string, target: number, opset: number): number | undefined {
  for (let version = opset; version > target; version--) if (CHANGED[version]?.split(' ').includes(op)) return version
  return undefined
}
