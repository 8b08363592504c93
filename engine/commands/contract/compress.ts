import { z } from 'zod'
import { command } from './command.ts'
import { trainingEvents, workEvents } from './events.ts'
import { outOptions, pathField, providers } from './options.ts'
import { estimators } from './quantize.ts'
import { PipelineResult } from './results.ts'

export const pipelineEvents = { ...workEvents, ...trainingEvents }

/**
 * Seed, threads and provider have no default here: the recipe has its own, and what is given with the verb wins.
 */
export const compress = command({
  help: 'Run a whole recipe: student, distillation, quantization, judging, benchmark, export',
  runsIn: 'engine',
  positional: ['recipe'],
  input: z.strictObject({
    recipe: pathField('Recipe file (JSON or YAML)').optional(),
    document: z
      .record(z.string(), z.unknown())
      .describe('The recipe itself, in place of a file; its paths are absolute')
      .optional(),
    seed: z.number().int().min(0).max(0xffffffff).describe("Seed, instead of the recipe's").optional(),
    threads: z.number().int().positive().describe("Threads, instead of the recipe's").optional(),
    provider: z.enum(providers).describe("Execution provider, instead of the recipe's").optional(),
    qat: z.enum(estimators).describe('Quantization-aware training of the student, whatever the recipe says').optional(),
    qatBits: z.number().int().min(2).max(8).describe('Bits of weights and activations in that training').optional(),
    store: pathField("Run store (SQLite file); in the user's data folder when absent").optional(),
    ...outOptions,
  }),
  output: PipelineResult,
  events: pipelineEvents,
})
