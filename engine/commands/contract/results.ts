import { z } from 'zod'

/** A measured number; `ci95` is its 95 % interval where one can be stated. */
export const Measured = z.looseObject({ value: z.number(), ci95: z.tuple([z.number(), z.number()]).optional() })

/** Metrics by name. A metric that cannot be computed is absent. */
export const Metrics = z.record(z.string(), Measured)

/** What a model costs. */
export const ModelCost = z.looseObject({ parameters: z.number(), bytes: z.number(), macs: z.number().optional() })

/** Result of every training verb. `teacher` is absent where there is none. */
export const TrainingResult = z.looseObject({
  run: z.string(),
  model: z.string(),
  steps: z.number().int(),
  seconds: z.number(),
  stepsPerSecond: z.number(),
  metrics: z.record(z.string(), Metrics),
  labelsUsed: z.boolean(),
  resumedFromStep: z.number().int().optional(),
  teacher: ModelCost.optional(),
  student: ModelCost,
})

/** Result of a whole pipeline. A non-empty `missedGoals` makes the command line exit with 5. */
export const PipelineResult = z.looseObject({
  run: z.string(),
  stages: z.array(z.looseObject({ name: z.string(), seconds: z.number().optional() })),
  best: z.looseObject({}),
  report: z.string(),
  missedGoals: z.array(z.string()).optional(),
})

/** A tensor at a model's boundary; a dimension without a number keeps its name. */
export const ModelValue = z.looseObject({ name: z.string(), dtype: z.string(), shape: z.array(z.union([z.number(), z.string()])) })

/** An interval of a ratio of two latencies, from paired measurements. */
export const Ratio = z.looseObject({ median: z.number(), ci95: z.tuple([z.number(), z.number()]) })
