import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions } from './options.ts'

export const devices = command({
  help: 'Show providers, threads, instruction sets and block size of this machine',
  runsIn: 'engine',
  input: z.strictObject({ ...commonOptions }),
  output: z.looseObject({ cpu: z.looseObject({}), providers: z.array(z.union([z.string(), z.looseObject({ name: z.string() })])) }),
})
