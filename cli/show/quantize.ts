import type { CommandOutput } from '../../engine/commands/index.ts'
import { bytes, facts, measured, table } from '../table.ts'

export default function quantize({ model, scheme, bytes: size, layers, metrics }: CommandOutput<'quantize'>): string {
  const names = [...new Set([...Object.keys(metrics.float), ...Object.keys(metrics.quantized)])]
  const cell = (side: 'float' | 'quantized', name: string): string => (metrics[side][name] ? measured(metrics[side][name]) : '-')
  return [
    facts([
      ['model', model],
      ['scheme', scheme],
      ['size', bytes(size)],
    ]),
    table(
      ['layer', 'precision', 'SQNR dB'],
      layers.map(({ name, precision, sqnr }) => [name, precision, typeof sqnr !== 'number' ? '-' : sqnr.toFixed(1)]),
    ),
    table(
      ['metric', 'float', 'quantized'],
      names.map((name) => [name, cell('float', name), cell('quantized', name)]),
    ),
  ].join('\n\n')
}
