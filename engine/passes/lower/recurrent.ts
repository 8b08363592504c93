import { BugError } from '../../errors.ts'
import { ruleBook } from '../../ops/index.ts'
import { defineLowering, type Lowering } from '../lowering.ts'

/**
 * Recurrent layers stay ONNX Runtime's fused kernel where nothing is differentiated. Where a gradient went through the unrolled form, that
 * form has every value of the kernel already, so the kernel would only compute them again. The kernel also lacks double precision and
 * batch-first layout.
 */
const recurrent = (op: string): Lowering =>
  defineLowering({
    op,
    when: ({ differentiated, x, a }) => differentiated || x[0].dtype !== 'float32' || a.layout === 1,
    lower(ctx) {
      const rule = ruleBook.find(op, '', ctx.b.opset)
      if (!rule?.expand) throw new BugError(`${op} has no expansion`)
      return rule.expand(ctx)
    },
  })

export const lstm = recurrent('LSTM')
export const gru = recurrent('GRU')
export const rnn = recurrent('RNN')
