import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions, pathField } from './options.ts'

export const dataInspect = command({
  help: 'Recognise a data set: format, samples, classes, target, inputs, splits',
  runsIn: 'engine',
  positional: ['path'],
  input: z.strictObject({ path: pathField('File or folder of the data set'), ...commonOptions }),
  output: z.looseObject({
    format: z.string(),
    samples: z.number().int(),
    classes: z.array(z.string()),
    labelled: z.boolean(),
    sample: z.looseObject({ shape: z.array(z.number().int()), dtype: z.string() }),
    splits: z.record(z.string(), z.number().int()),
    kind: z.string().describe('What a sample is: image, tensor, audio, table, tokens or graph'),
    target: z.enum(['none', 'class', 'values', 'map']).describe('What is to be predicted'),
    targetNames: z.array(z.string()).describe('Names of the numbers to predict').optional(),
    preprocess: z.looseObject({}).describe('How samples become inputs unless something else is asked for').optional(),
    inputs: z.array(z.object({ name: z.string(), shape: z.array(z.number().int()) })).optional(),
  }),
})
