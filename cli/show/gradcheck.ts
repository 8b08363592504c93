import type { CommandOutput } from '../../engine/commands/index.ts'
import { count, table } from '../table.ts'

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

export default function gradcheck(found: CommandOutput<'gradcheck'>): string {
  const { passed, order, maxRelativeError, seed, dtype, skippedShare, checked, vacuous, inputs, tensors } = found
  const rows = tensors.map((tensor) => [
    tensor.vacuous ? `${tensor.name} (vanishes)` : tensor.name,
    tensor.relativeError.toExponential(2),
    count(tensor.checked),
    count(tensor.skipped),
  ])
  const shapes = Object.entries(inputs).map(([name, dims]) => `${name} [${dims.join(', ')}]`)
  return [
    table(['tensor', 'relative error', 'checked', 'skipped'], rows),
    `${passed ? 'passed' : 'failed'}: order ${order}, largest relative error ${maxRelativeError.toExponential(2)}`,
    `${count(checked)} entries in ${dtype}, ${percent(skippedShare)} skipped at kinks; slopes vanish in ${vacuous} of ${tensors.length} tensors; seed ${seed}`,
    `inputs: ${shapes.join(', ') || 'none'}`,
  ].join('\n\n')
}
