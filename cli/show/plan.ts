import type { CommandOutput } from '../../engine/commands/index.ts'
import { bytes, count, facts, number, table } from '../table.ts'

export const catalogue = ({ metrics, templates, augmentations, methods }: CommandOutput<'catalogue'>): string =>
  [
    table(
      ['metric', 'title'],
      metrics.map(({ id, title }) => [id, title]),
    ),
    table(
      ['template', 'title'],
      templates.map(({ names, title }) => [names.join(', '), title]),
    ),
    table(
      ['augmentation', 'title'],
      augmentations.map(({ id, title }) => [id, title]),
    ),
    table(
      ['method', 'title'],
      methods.map(({ key, title }) => [key, title]),
    ),
  ].join('\n\n')

export function cost({ teacher, student, shape, classes, samples, preprocess }: CommandOutput<'plan.cost'>): string {
  const row = (name: string, model: typeof student) => [
    name,
    count(model.parameters),
    bytes(model.bytes),
    model.macs === undefined ? '-' : count(model.macs),
  ]
  return [
    table(['', 'parameters', 'file', 'MACs'], [...(teacher ? [row('teacher', teacher)] : []), row('student', student)]),
    facts([
      ['sample', shape.join(' x ')],
      ['classes', count(classes)],
      ['samples', `${count(samples.train)} train, ${count(samples.validation)} validation, ${count(samples.test)} test`],
      ['preprocessing', preprocess],
    ]),
  ].join('\n')
}

export const forecast = (result: CommandOutput<'plan.forecast'>): string =>
  facts([
    ['steps', `${count(result.steps)} (${count(result.probed)} timed)`],
    ['steps per second', number(result.stepsPerSecond)],
    ['set-up', `${number(result.setupSeconds)} s`],
    ['in all', `${number(result.seconds)} s`],
    ['memory', bytes(result.peakBytes)],
    ['disk', bytes(result.diskBytes)],
  ])

export const recipe = ({ recipe }: CommandOutput<'recipe.read'>): string => JSON.stringify(recipe, null, 2)
