import { z } from 'zod'
import { command } from './command.ts'
import { pipelineEvents } from './compress.ts'
import { commonOptions, outOptions } from './options.ts'
import { PipelineResult } from './results.ts'

export const demo = command({
  help: 'The main job on built-in data: train a teacher, distill, quantize, judge, benchmark, export',
  runsIn: 'engine',
  input: z.strictObject({ ...commonOptions, ...outOptions }),
  output: PipelineResult,
  events: pipelineEvents,
})
