import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions } from './options.ts'

export const devices = command({
  help: 'Show providers, threads, instruction sets and block size of this machine',
  runsIn: 'engine',
  input: z.strictObject({ ...commonOptions }),
  output: z.looseObject({
    cpu: z.looseObject({}),
    providers: z.array(z.union([z.string(), z.looseObject({ name: z.string() })])),
    /** What trainings have measured, by processor, threads and version of ONNX Runtime: the form that each operator is written in there. */
    tuned: z
      .array(
        z.object({
          cpu: z.string(),
          threads: z.number(),
          onnxruntime: z.string(),
          forms: z.array(z.object({ operator: z.string(), form: z.string(), ms: z.record(z.string(), z.number()) })),
        }),
      )
      .default([]),
  }),
})
