import { getInt, makeNode } from '../../ir/index.ts'
import type { Rule, Rules } from './context.ts'

/**
 * Opset 22 let these take bfloat16, and ONNX Runtime 1.30 has kernels for their older versions alone: relabelled, the model
 * would not load any more.
 */
const WITHOUT_KERNEL =
  'Bernoulli MaxRoiPool Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike RoiAlign'.split(' ')

const noKernel: Rule = (node) => `ONNX Runtime has no kernel for ${node.op} of opset 22`

/** The pooled norm over all positions is a reduction, which has kernels. */
const globalLpPool: Rule = (node, c) => {
  const p = getInt(node, 'p', 2)
  const rank = c.rank(node.inputs[0]!)
  if ((p !== 1 && p !== 2) || rank === undefined) return noKernel(node, c)
  const axes = Array.from({ length: Math.max(0, rank - 2) }, (_, i) => i + 2)
  return [{ ...makeNode(`ReduceL${p}`, [node.inputs[0]!, c.ints('axes', axes)], node.outputs), name: node.name }]
}

export const kernelRules: Rules = {
  22: { ...Object.fromEntries(WITHOUT_KERNEL.map((op) => [op, noKernel])), GlobalLpPool: globalLpPool },
}
