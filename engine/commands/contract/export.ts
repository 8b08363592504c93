import { z } from 'zod'
import { command } from './command.ts'
import { workEvents } from './events.ts'
import { commonOptions, dataOptions, pathField } from './options.ts'

export const variants = ['fp32', 'fp16', 'int8', 'ort'] as const

export const File = z.looseObject({ path: z.string(), bytes: z.number().int(), sha256: z.string() })

export const exportModel = command({
  help: 'Write the folder an app developer needs, after checking what the files compute',
  runsIn: 'engine',
  positional: ['model'],
  input: z.strictObject({
    model: pathField('Model file (.onnx)'),
    out: pathField('Folder that receives the files'),
    overwrite: z.boolean().describe('Replace files that are already there').default(false),
    variants: z.array(z.enum(variants)).min(1).default(['fp32', 'ort']).describe('Files to write'),
    data: pathField('Data set for calibration and golden inputs').optional(),
    ...commonOptions,
    ...dataOptions,
  }),
  output: z.looseObject({
    files: z.array(File),
    parity: z.looseObject({ maxAbsError: z.number() }),
    mobile: z.record(
      z.string(),
      z.looseObject({
        verdict: z.string(),
        partitions: z.number().int(),
        covered: z.number(),
        reasons: z.array(z.string()),
      }),
    ),
  }),
  events: workEvents,
})
