import type { CommandOutput } from '../../engine/commands/index.ts'
import { count, table } from '../table.ts'

export default function gradcheck({ passed, order, maxRelativeError, tensors }: CommandOutput<'gradcheck'>): string {
  const rows = tensors.map((tensor) => [
    tensor.name,
    tensor.relativeError.toExponential(2),
    count(tensor.checked),
    count(tensor.skipped ?? 0),
  ])
  return [
    table(['tensor', 'relative error', 'checked', 'skipped'], rows),
    `${passed ? 'passed' : 'failed'}: order ${order}, largest relative error ${maxRelativeError.toExponential(2)}`,
  ].join('\n\n')
}
