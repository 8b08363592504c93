import { z } from 'zod'
import { command } from './command.ts'
import { message } from './events.ts'
import { commonOptions } from './options.ts'
import { RunSummary } from './runs.ts'

const id = z.string().min(1).describe('Run id')

export const runsCurves = command({
  help: 'Show the curves of a run: losses of the training, metrics of the evaluations',
  runsIn: 'main',
  positional: ['id'],
  input: z.strictObject({
    id,
    after: z.number().int().min(-1).describe('Only points of later steps').default(-1),
    points: z.number().int().min(4).max(100_000).default(2000).describe('At most this many of each curve; every extreme stays'),
    ...commonOptions,
  }),
  output: z.looseObject({
    curves: z.array(
      z.looseObject({
        split: z.string(),
        name: z.string(),
        steps: z.array(z.number().int()),
        /** null where the value was not a number (a diverged loss). */
        values: z.array(z.number().nullable()),
        /** Points in the store, thinned ones included. */
        total: z.number().int(),
      }),
    ),
  }),
})

export const runsLog = command({
  help: 'Show the messages of a run, oldest first',
  runsIn: 'main',
  positional: ['id'],
  input: z.strictObject({ id, ...commonOptions }),
  output: z.looseObject({ lines: z.array(message.extend({ at: z.string() })) }),
})

export const runsRate = command({
  help: 'Change the learning rate of a run that trains; its schedule goes on below the new peak',
  runsIn: 'main',
  positional: ['id'],
  input: z.strictObject({
    id,
    lr: z.number().positive().max(1000).describe('Peak learning rate from the next step on'),
    ...commonOptions,
  }),
  /** `running`: whether it counts at once, or when the run is resumed. */
  output: z.looseObject({ run: z.string(), lr: z.number(), running: z.boolean() }),
})

export const runsLabel = command({
  help: 'Give a run a name, tags or a note; what is left out stays',
  runsIn: 'main',
  positional: ['id'],
  input: z.strictObject({
    id,
    name: z.string().max(120).describe('Name shown in lists').optional(),
    tags: z.array(z.string().min(1).max(40)).max(20).describe('Tags, all of them').optional(),
    note: z.string().max(20_000).describe('Note, as long as needed').optional(),
    ...commonOptions,
  }),
  output: RunSummary,
})
