import type { CommandOutput } from '../../engine/commands/index.ts'
import { count, facts, plain, table } from '../table.ts'

export function graph({ nodes }: CommandOutput<'model.graph'>): string {
  const rows = nodes.map(({ name, op, inputs, outputs }) => [op, name, inputs.filter(Boolean).join(' '), outputs.join(' ')])
  return table(['op', 'node', 'reads', 'writes'], rows)
}

export function weights(result: CommandOutput<'model.weights'>): string {
  const { name, dtype, shape, count: elements, notFinite, zeros, min, max, mean, deviation, histogram } = result
  const highest = Math.max(1, ...histogram)
  return [
    facts([
      ['constant', name],
      ['type', `${dtype}[${shape.join(', ')}]`],
      ['elements', count(elements)],
      ['not finite', notFinite || undefined],
      ['zeros', count(zeros)],
      ['range', min === null ? undefined : `${min} to ${max}`],
      ['mean', mean],
      ['deviation', deviation],
    ]),
    ...histogram.map((n) => plain(`${'█'.repeat(Math.round((n / highest) * 40))} ${n}`)),
  ].join('\n')
}
