import type { CommandOutput } from '../../engine/commands/contract/index.ts'
import { percent, short } from './units.ts'

type Definition = CommandOutput<'catalogue'>['metrics'][number]

// A state, since pages that are open when the definitions arrive must show them.
let known = $state.raw(new Map<string, Definition>())

/** Take over what the engine says of its metrics: titles, units, which way is better. */
export function learnMetrics(metrics: readonly Definition[]): void {
  known = new Map(metrics.map((metric) => [metric.id, metric]))
}

/** Written out, as `top1` → Accuracy; an unknown name with spaces. */
export const metricTitle = (name: string): string =>
  known.get(name)?.title ?? name.replaceAll(/[-_]/g, ' ').replace(/^./, (c) => c.toUpperCase())

const isShare = (name: string): boolean => known.get(name)?.unit === 'ratio'
const unitOf = (name: string): string => {
  const unit = known.get(name)?.unit
  return unit && unit !== 'ratio' ? ` ${unit.replaceAll('-', ' ')}` : ''
}

/** The value with its unit. */
export const metricText = (name: string, value: number | null | undefined): string =>
  isShare(name) ? percent(value) : `${short(value)}${value === null || value === undefined ? '' : unitOf(name)}`

export const lowerIsBetter = (name: string): boolean =>
  known.has(name) ? known.get(name)!.better === 'lower' : /loss|error|seconds|bytes|macs|parameters|latency/i.test(name)

/** The 95 % interval in the value's unit: `[97.90, 98.31]`. */
export function intervalText(name: string, ci95: readonly [number, number] | undefined): string {
  if (!ci95) return ''
  return `[${ci95.map((v) => (isShare(name) ? (100 * v).toFixed(2) : short(v))).join(', ')}]`
}
