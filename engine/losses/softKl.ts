import type { Tensor } from '../ops/index.ts'
import { klDivergence } from './klDivergence.ts'

/**
 * Hinton, Vinyals, Dean 2015, arXiv:1503.02531: KL(softmax(teacher / T) || softmax(student / T)), mean over samples.
 * Not multiplied by T^2: that factor belongs to the method's weight. Logits are [N, C], T > 0. A scalar, in nats.
 */
export function softKl(studentLogits: Tensor, teacherLogits: Tensor, temperature: number | Tensor): Tensor {
  const log = (logits: Tensor) => (temperature === 1 ? logits : logits.div(temperature)).logSoftmax()
  return klDivergence(log(teacherLogits), log(studentLogits))
}
