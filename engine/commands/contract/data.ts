import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions, pathField } from './options.ts'

export const dataInspect = command({
  help: 'Recognise a data set: format, samples, classes, sample shape, splits',
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
  }),
})
