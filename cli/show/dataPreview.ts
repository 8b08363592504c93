import type { CommandOutput } from '../../engine/commands/index.ts'
import { count, facts, plain, table } from '../table.ts'

export default function dataPreview({ kind, samples, classes, preprocess }: CommandOutput<'data.preview'>): string {
  return [
    facts([['kind', kind]]),
    ...(preprocess ? [plain(preprocess.text)] : []),
    table(
      ['sample', 'label', 'shape'],
      samples.map(({ index, label, shape }) => [String(index), label ?? '', shape.join(' x ')]),
    ),
    ...(classes
      ? [
          table(
            ['class', 'samples'],
            classes.map(({ name, count: n }) => [name, count(n)]),
          ),
        ]
      : []),
  ].join('\n')
}
