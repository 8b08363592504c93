import type { CommandOutput } from '../../engine/commands/index.ts'
import { count, facts, plain } from '../table.ts'

const SHOWN = 12

export default function dataInspect(result: CommandOutput<'data.inspect'>): string {
  const { format, samples, classes, sample, splits, preprocess, inputs = [], targetNames = [] } = result
  const names = classes.slice(0, SHOWN).join(', ') + (classes.length > SHOWN ? ', …' : '')
  const own = Object.entries(splits).map(([name, n]) => `${name} ${count(n)}`)
  const warnings = Array.isArray(result['warnings']) ? (result['warnings'] as string[]) : []
  const targets: Record<typeof result.target, string> = {
    none: 'none',
    class: `${classes.length} classes: ${names}`,
    values: `numbers: ${targetNames.join(', ')}`,
    map: `a class for each pixel, of ${classes.length}: ${names}`,
  }
  return [
    facts([
      ['format', format],
      ['samples', count(samples)],
      ['target', targets[result.target]],
      ['sample', `${sample.dtype}[${sample.shape.join(', ')}]`],
      ...inputs.map(({ name, shape }): [string, string] => [`input ${name}`, `[${shape.join(', ')}]`]),
      ['own split', own.join(', ') || 'none'],
      ...(preprocess ? [['preprocess', brief(preprocess)] as [string, string]] : []),
    ]),
    ...warnings.map((warning) => plain(`warning: ${warning}`)),
  ].join('\n')
}

/** The document without its long lists, which `--json` has. */
const brief = (document: Readonly<Record<string, unknown>>): string =>
  Object.entries(document)
    .map(([name, value]) => `${name} ${Array.isArray(value) && value.length > 4 ? `(${value.length})` : shown(value)}`)
    .join(', ')

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
