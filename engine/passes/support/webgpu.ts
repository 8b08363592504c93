import type { LoweringContext } from '../lowering.ts'

/** The graph will run on ONNX Runtime's WebGPU provider. */
export const onWebGpu = ({ target }: Pick<LoweringContext, 'target'>): boolean => target.provider === 'webgpu'

/**
 * Calls of ConvTranspose (x, w, and attributes) that the kernel refuses, those with three spatial axes, or answers wrongly: several groups of one
 * output channel each and an even number of input channels each, at any stride and dilation (measured against the CPU).
 */
export function brokenTransposedConv({ x: [x, w], a }: Pick<LoweringContext, 'x' | 'a'>): boolean {
  const group = (a.group as number | undefined) ?? 1
  return x.rank > 4 || (group > 1 && w.shape[1] === 1 && (w.shape[0]! / group) % 2 === 0)
}
