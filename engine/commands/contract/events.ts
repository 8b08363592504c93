import { z } from 'zod'

/** A line for the person: shown, and kept with the run. */
export const message = z.object({ level: z.enum(['info', 'warning', 'error']), text: z.string() })

/** A named part of a longer command begins; `index` counts from 1 where the number of parts is known. */
export const stage = z.object({ name: z.string(), index: z.number().int().optional(), of: z.number().int().optional() })

/** Progress of a command without training steps, e.g. samples evaluated. */
export const progress = z.object({ done: z.number(), total: z.number().optional(), unit: z.string().optional() })

/** Events of every command that trains. */
export const trainingEvents = {
  /** The run exists in the store; from here on it can be resumed. */
  started: z.object({ run: z.string(), steps: z.number().int().optional(), resumedFromStep: z.number().int().optional() }),
  stage,
  step: z.object({
    step: z.number().int(),
    steps: z.number().int(),
    /** Weighted loss terms by name, `total` among them. */
    losses: z.record(z.string(), z.number()),
    /** Steps per second. */
    rate: z.number(),
    etaSeconds: z.number(),
    lr: z.number(),
    /** Peak learning rate, of which the schedule makes \`lr\`. */
    peakLr: z.number().optional(),
    /** Resident memory of the process that trains. */
    memoryBytes: z.number().optional(),
  }),
  evaluated: z.object({ step: z.number().int(), split: z.string(), metrics: z.record(z.string(), z.number()) }),
  checkpoint: z.object({ step: z.number().int(), path: z.string() }),
  message,
}

/** Events of commands that work through data or files without training. */
export const workEvents = { stage, progress, message }
