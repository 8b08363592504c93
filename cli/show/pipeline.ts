import type { CommandOutput } from '../../engine/commands/index.ts'
import { facts, plain } from '../table.ts'

/** Result of `compress` and `demo`: the comparison, and where the files are. */
export default function pipeline({ run, best, report, out }: CommandOutput<'compress'>): string {
  const folder = (best.export as { folder?: string } | undefined)?.folder
  return [
    report.split('\n').map(plain).join('\n').trimEnd(),
    facts([
      ['run', run],
      ['student', String(best.model)],
      ...(folder ? ([['package', folder]] as [string, string][]) : []),
      ...(typeof out === 'string' ? ([['everything', out]] as [string, string][]) : []),
    ]),
  ].join('\n\n')
}
