import { z } from 'zod'
import { command } from './command.ts'
import { workEvents } from './events.ts'
import { commonOptions, dataOptions, pathField } from './options.ts'
import { Metrics } from './results.ts'

export const evaluate = command({
  help: 'Judge a model on data, alone or against another',
  runsIn: 'engine',
  positional: ['model'],
  input: z.strictObject({
    model: pathField('Model file (.onnx)'),
    data: pathField('Data set: file, folder or builtin:NAME'),
    against: pathField('Model to agree with, usually the teacher').optional(),
    metrics: z.array(z.string().min(1)).describe('Metrics by name; all that apply when absent').optional(),
    on: z.enum(['test', 'train', 'validation', 'all']).default('all').describe('Which share is judged'),
    host: z
      .enum(['this', 'no-vnni'])
      .default('this')
      .describe('`no-vnni`: as x86 processors without VNNI compute an integer model, simulated on any machine'),
    batch: z.number().int().positive().default(64).describe('Samples in a batch'),
    ...commonOptions,
    ...dataOptions,
  }),
  output: z.looseObject({ samples: z.number().int(), metrics: Metrics }),
  events: workEvents,
})
