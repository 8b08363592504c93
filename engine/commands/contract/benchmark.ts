import { z } from 'zod'
import { command } from './command.ts'
import { workEvents } from './events.ts'
import { commonOptions, pathField } from './options.ts'
import { Ratio } from './results.ts'

const latency = z.looseObject({ mean: z.number(), p50: z.number(), p90: z.number(), p95: z.number(), p99: z.number() })

/** Fields shared with the recipe's `benchmark` section. */
export const benchmarkOptions = {
  batch: z.number().int().positive().default(1).describe('Samples in a call'),
  repeats: z.number().int().positive().default(50).describe('Measured calls of each model'),
}

export const benchmark = command({
  help: 'Measure latency, throughput and memory on this machine; two models are measured interleaved',
  runsIn: 'engine',
  positional: ['model'],
  input: z.strictObject({
    model: pathField('Model file'),
    against: pathField('Other model, measured in turn with the first').optional(),
    ...benchmarkOptions,
    layers: z.boolean().describe('Time of every layer, from the profiler').default(false),
    ...commonOptions,
  }),
  output: z.looseObject({
    device: z.union([z.string(), z.looseObject({})]),
    models: z.array(
      z.looseObject({
        path: z.string(),
        latencyMs: latency,
        /** Samples per second. */
        throughput: z.number(),
        peakBytes: z.number().nullish(),
        layers: z.array(z.looseObject({ name: z.string() })).optional(),
      }),
    ),
    /** Latency of `against` over latency of the model: above 1, the model is the faster one. */
    ratio: Ratio.optional(),
    /** Where a quantized model is less than 1.1 times as fast as the float one: the reasons, those that concern most of its time first. */
    slow: z
      .looseObject({
        path: z.string(),
        speedup: z.number(),
        reasons: z.array(z.looseObject({ id: z.string(), share: z.number(), text: z.string() })),
      })
      .optional(),
  }),
  events: workEvents,
})
