import type { CommandOutput } from '../../engine/commands/index.ts'
import { duration, facts, number, plain, table } from '../table.ts'

/** A value of `best` in one cell: numbers and texts as they are, `{value, ci95}` with its interval. */
function cell(value: unknown): string {
  if (typeof value === 'number') return number(value)
  if (typeof value !== 'object' || value === null) return String(value)
  const { value: inner, median, ci95 } = value as { value?: unknown; median?: unknown; ci95?: number[] }
  const middle = inner ?? median
  return typeof middle === 'number' ? `${number(middle)}${ci95 ? ` [${ci95.map(number).join(', ')}]` : ''}` : JSON.stringify(value)
}

/** Result of `compress` and `demo`. */
export default function pipeline({ run, stages, best, report, missedGoals = [] }: CommandOutput<'compress'>): string {
  return [
    table(
      ['stage', 'time'],
      stages.map(({ name, seconds }) => [name, seconds === undefined ? '-' : duration(seconds)]),
    ),
    table(
      ['best', 'value'],
      Object.entries(best).map(([name, value]) => [name, cell(value)]),
    ),
    facts([
      ['run', run],
      ['report', report],
    ]),
    ...missedGoals.map((goal) => plain(`goal missed: ${goal}`)),
  ].join('\n\n')
}
