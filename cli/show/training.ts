import type { CommandOutput } from '../../engine/commands/index.ts'
import { bytes, count, duration, facts, measured, number, table } from '../table.ts'

type Cost = CommandOutput<'train'>['student']
type Result = CommandOutput<'train'>

const cost = ({ parameters, bytes: size, macs }: Cost): string =>
  [`${count(parameters)} parameters`, bytes(size), ...(macs === undefined ? [] : [`${count(macs)} MACs`])].join(', ')

/** Metrics by split as rows. */
export const metricRows = (metrics: Result['metrics']): string[][] =>
  Object.entries(metrics).flatMap(([split, values]) =>
    Object.entries(values).map(([name, value]) => [split, name, measured(value)]),
  )

/** Result of `train` and `distill`. */
export default function training(result: Result): string {
  const { run, model, steps, seconds, stepsPerSecond, metrics, labelsUsed, resumedFromStep, teacher, student } = result
  return [
    facts([
      ['run', run],
      ['resumed from', resumedFromStep === undefined ? undefined : `step ${resumedFromStep}`],
      [
        'trained',
        `${count(steps)} steps in ${duration(seconds)} (${number(stepsPerSecond)} a second), labels ${labelsUsed ? 'used' : 'not used'}`,
      ],
      ['teacher', teacher && cost(teacher)],
      ['student', cost(student)],
      ['model', model],
    ]),
    table(['split', 'metric', 'value'], metricRows(metrics)),
  ].join('\n\n')
}
