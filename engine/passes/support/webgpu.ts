import type { LoweringContext } from '../lowering.ts'

/** The graph will run on ONNX Runtime's WebGPU provider. */
export const onWebGpu = ({ target }: Pick<LoweringContext, 'target'>): boolean => target.provider === 'webgpu'
