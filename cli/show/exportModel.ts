import type { CommandOutput } from '../../engine/commands/index.ts'
import { bytes, number, table } from '../table.ts'

export default function exportModel({ files, parity, mobile }: CommandOutput<'export'>): string {
  const verdicts = Object.entries(mobile).map(([provider, { verdict, partitions, covered, reasons }]) => [
    provider,
    verdict,
    String(partitions),
    number(covered),
    reasons.join('; '),
  ])
  return [
    table(
      ['file', 'size', 'SHA-256'],
      files.map((file) => [file.path, bytes(file.bytes), file.sha256]),
    ),
    ...(verdicts.length > 0 ? [table(['provider', 'verdict', 'partitions', 'covered', 'reasons'], verdicts)] : []),
    `the exported files agree with the model to ${parity.maxAbsError.toExponential(2)}`,
  ].join('\n\n')
}
