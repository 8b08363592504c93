import { ruleBook, where } from '../../ops/index.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'

/** ONNX Runtime 1.30 computes Shrink in single whatever the element type, which numeric checks in double would take for a wrong slope. */
export const shrinkInDouble = defineLowering({
  op: 'Shrink',
  when: ({ x: [x] }) => x.dtype === 'float64',
  lower({ x: [x], a }) {
    const lambda = a.lambd as number
    const bias = a.bias as number
    return [where(x.less(-lambda), x.add(bias), where(x.greater(lambda), x.sub(bias), 0))]
  },
})

const anyDouble = ({ step }: LoweringContext): boolean => step.inputs.some((x) => x?.dtype === 'float64')

/** ONNX Runtime's own operators have no double kernels: numeric checks run what their gradients are taken of. */
export const contribInDouble = defineLowering({
  op: ruleBook.rules.flatMap((rule) => (rule.domain === 'com.microsoft' && rule.expand ? [rule.type] : [])),
  domain: 'com.microsoft',
  when: anyDouble,
  lower: (ctx) => ctx.step.rule!.expand!({ ...ctx }),
})

export const attentionInDouble = defineLowering({
  op: ['Attention', 'RotaryEmbedding'],
  when: anyDouble,
  lower: (ctx) => ctx.step.rule!.expand!({ ...ctx }),
})
