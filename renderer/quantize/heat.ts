import type { Heat } from '../graph/kinds.ts'
import type { Layer } from './quantize.svelte.ts'

/** Signal to quantization noise, in dB, from which on a layer is shown as the next better one. 6 dB is about a bit. */
const STEPS = [10, 20, 30] as const

/** What the colours say, the loudest noise first. */
export const legend: readonly { heat: Heat; text: string }[] = [
  { heat: 'heat-0', text: 'below 10 dB' },
  { heat: 'heat-1', text: '10 to 20 dB' },
  { heat: 'heat-2', text: '20 to 30 dB' },
  { heat: 'heat-3', text: 'from 30 dB' },
  { heat: 'float', text: 'kept in floats' },
]

/** The colour of a layer; undefined where nothing can be said. */
export function heatOf({ precision, sqnr }: Pick<Layer, 'precision' | 'sqnr'>): Heat | undefined {
  if (/^float/.test(precision)) return 'float'
  if (typeof sqnr !== 'number') return undefined
  return `heat-${STEPS.filter((step) => sqnr >= step).length as 0 | 1 | 2 | 3}`
}
