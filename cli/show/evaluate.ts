import type { CommandOutput } from '../../engine/commands/index.ts'
import { count, measured, table } from '../table.ts'

export default function evaluate({ samples, metrics }: CommandOutput<'evaluate'>): string {
  const rows = Object.entries(metrics).map(([name, value]) => [name, measured(value)])
  return `${table(['metric', 'value'], rows)}\n\non ${count(samples)} samples; in brackets the 95 % interval`
}
