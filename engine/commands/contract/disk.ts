import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions } from './options.ts'

export const diskUsage = command({
  help: 'Say what the store takes of the disk: runs, checkpoints, cached teacher outputs',
  runsIn: 'main',
  input: z.strictObject({ ...commonOptions }),
  output: z.looseObject({
    store: z.string(),
    storeBytes: z.number(),
    runs: z.number().int(),
    runBytes: z.number(),
    /** Of the runs: checkpoints of those that are done, which nothing needs any more. */
    spareCheckpointBytes: z.number(),
    /** Outputs of frozen teachers, made again when needed. */
    cacheBytes: z.number(),
  }),
})

export const diskClean = command({
  help: 'Delete what can be made again: cached teacher outputs, checkpoints of runs that are done',
  runsIn: 'main',
  input: z.strictObject({
    cache: z.boolean().describe('Cached teacher outputs').default(false),
    checkpoints: z.boolean().describe('Checkpoints of runs that are done').default(false),
    ...commonOptions,
  }),
  output: z.looseObject({ freedBytes: z.number() }),
})

export const privacy = command({
  help: 'List the network connections of this process, as the system sees them',
  runsIn: 'engine',
  input: z.strictObject({ ...commonOptions }),
  output: z.looseObject({
    /** False where the system gives no such list; the rest is then empty. */
    measured: z.boolean(),
    /** How it was measured. */
    how: z.string(),
    sockets: z.array(z.looseObject({ local: z.string(), remote: z.string(), state: z.string(), loopback: z.boolean() })),
    /** Connections to or from another machine. */
    outside: z.number().int(),
  }),
})
