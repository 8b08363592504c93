import { getInt, makeNode, TensorData } from '../../ir/index.ts'
import type { Rule, Rules } from './context.ts'

/**
 * Opset 22 let these take bfloat16, and ONNX Runtime 1.30 has kernels for their older versions alone: relabelled, the model
 * would not load any more.
 */
const WITHOUT_KERNEL =
  'Bernoulli MaxRoiPool Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike RoiAlign'.split(' ')

const noKernel: Rule = (node) => `ONNX Runtime has no kernel for ${node.op} of opset 22`

/** True for the reason of a node whose older definition means the same and has a kernel. */
export const isKernelGap = (reason: string): boolean => reason.startsWith('ONNX Runtime has no kernel for')

/** The pooled norm over all positions is a reduction, which has kernels; of another order than 1 or 2, one between two powers. */
const globalLpPool: Rule = (node, c) => {
  const p = getInt(node, 'p', 2)
  const x = node.inputs[0]!
  const rank = c.rank(x)
  if (p < 1 || rank === undefined) return noKernel(node, c)
  const axes = c.ints(
    'axes',
    Array.from({ length: Math.max(0, rank - 2) }, (_, i) => i + 2),
  )
  const named = (op: string, inputs: string[]) => ({ ...makeNode(op, inputs, node.outputs), name: node.name })
  if (p <= 2) return [named(`ReduceL${p}`, [x, axes])]
  const power = (value: number) => c.constant('power', TensorData.scalar(c.dtype(x), value))
  const [abs, size] = c.make('Abs', [x])
  const [raise, powers] = c.make('Pow', [size, power(p)])
  const [reduce, sum] = c.make('ReduceSum', [powers, axes])
  return [abs, raise, reduce, named('Pow', [sum, power(1 / p)])]
}

export const kernelRules: Rules = {
  22: { ...Object.fromEntries(WITHOUT_KERNEL.map((op) => [op, noKernel])), GlobalLpPool: globalLpPool },
}
