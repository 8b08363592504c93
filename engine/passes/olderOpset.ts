import { Builder, replay, type Step, type Tensor } from '../ops/index.ts'

/**
 * The newest opset whose operators ONNX Runtime 1.30's WebGPU provider has kernels for throughout. Of opset 22, where many definitions were
 * repeated for further element types, it lacks ConvTranspose, Flatten, the global pools and others, and they would run on the CPU.
 */
const WEBGPU_OPSET = 21

/** Operators that opset 22 and 23 brought; all others mean there what they meant before. Source: ONNX's changelog of operators. */
const NEW = new Set(['Attention', 'RMSNormalization', 'RotaryEmbedding'])

const newer = ({ node, rule }: Step): boolean => node.domain === '' && (rule ? rule.since > WEBGPU_OPSET : NEW.has(node.op))

/** The same graph declared at the opset that the WebGPU provider serves best, unless it has operators of a later one. */
export function atOlderOpset(from: Builder, outputs: readonly Tensor[]): { b: Builder; at: (old: Tensor) => Tensor } {
  if (from.opset <= WEBGPU_OPSET || from.reachable(outputs).some(newer)) return { b: from, at: (old) => old }
  const b = new Builder(from.rules, WEBGPU_OPSET)
  return { b, at: replay(from, b, outputs, () => undefined) }
}
