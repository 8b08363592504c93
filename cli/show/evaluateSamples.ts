import type { CommandOutput } from '../../engine/commands/index.ts'
import { count, plain, table } from '../table.ts'

type Guesses = CommandOutput<'evaluate.samples'>['samples'][number]['model']
const best = ([first]: Guesses): string => (first ? `${first.label} ${(100 * first.probability).toFixed(1)} %` : '')

export default ({ pool, agree, samples }: CommandOutput<'evaluate.samples'>): string =>
  [
    plain(`the same class on ${count(agree)} of ${count(pool)} samples`),
    table(
      ['sample', 'label', 'model', 'other', ''],
      samples.map(({ index, label, model, against, same }) => [
        String(index),
        label ?? '',
        best(model),
        best(against),
        same ? '' : 'differ',
      ]),
    ),
  ].join('\n')
