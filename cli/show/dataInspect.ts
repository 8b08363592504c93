import type { CommandOutput } from '../../engine/commands/index.ts'
import { count, facts, plain } from '../table.ts'

const SHOWN = 12

export default function dataInspect(result: CommandOutput<'data.inspect'>): string {
  const { format, samples, classes, labelled, sample, splits } = result
  const names = classes.slice(0, SHOWN).join(', ') + (classes.length > SHOWN ? ', …' : '')
  const own = Object.entries(splits).map(([name, n]) => `${name} ${count(n)}`)
  const warnings = Array.isArray(result['warnings']) ? (result['warnings'] as string[]) : []
  return [
    facts([
      ['format', format],
      ['samples', count(samples)],
      ['labels', labelled ? `${classes.length} classes: ${names}` : 'none'],
      ['sample', `${sample.dtype}[${sample.shape.join(', ')}]`],
      ['own split', own.join(', ') || 'none'],
    ]),
    ...warnings.map((warning) => plain(`warning: ${warning}`)),
  ].join('\n')
}
