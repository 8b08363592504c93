import { z } from 'zod'
import { command } from './command.ts'
import { pipelineEvents } from './compress.ts'
import { commonOptions, pathField } from './options.ts'

export const runStatuses = ['queued', 'running', 'interrupted', 'stopped', 'failed', 'done'] as const

/** What every list of runs shows. `run` repeats the id under the name that the training verbs use. */
export const RunSummary = z.looseObject({
  id: z.string(),
  run: z.string(),
  /** The command that made it, e.g. `distill`. */
  kind: z.string(),
  status: z.enum(runStatuses),
  /** ISO 8601, UTC. */
  created: z.string(),
  started: z.string().nullable(),
  ended: z.string().nullable(),
  /** Last step with a checkpoint; null without one. */
  checkpointStep: z.number().int().nullable(),
  out: z.string().nullable(),
  /** What the person wrote on it; empty until then. */
  name: z.string(),
  tags: z.array(z.string()),
  note: z.string(),
  /** What went in, as given: paths, templates, method keys. */
  teacher: z.string().nullable(),
  data: z.string().nullable(),
  student: z.string().nullable(),
  methods: z.array(z.string()),
  /** File of the model that it wrote; null until then. */
  model: z.string().nullable(),
  /** Results by name, for tables and charts: test metrics, `parameters`, `bytes`, `macs`, `seconds`; empty until the run has ended. */
  numbers: z.record(z.string(), z.number()),
})

const RunDetail = RunSummary.extend({
  seed: z.number().int(),
  engineVersion: z.string(),
  models: z.record(z.string(), z.string()),
  recipe: z.unknown(),
  resolved: z.unknown(),
  result: z.unknown(),
  error: z.unknown(),
  folder: z.string(),
  checkpoints: z.array(z.looseObject({ step: z.number().int(), path: z.string(), created: z.string() })),
  artifacts: z.array(
    z.looseObject({
      id: z.string(),
      kind: z.string(),
      path: z.string(),
      bytes: z.number().int(),
      sha256: z.string(),
      parents: z.array(z.string()),
    }),
  ),
  /** Last value of each series, by split and name. */
  metrics: z.record(z.string(), z.record(z.string(), z.number())),
})

const id = z.string().min(1).describe('Run id')

export const runsList = command({
  help: 'List runs, newest first',
  runsIn: 'main',
  input: z.strictObject({
    limit: z.number().int().positive().describe('At most this many').optional(),
    status: z.enum(runStatuses).describe('Only runs in this state').optional(),
    ...commonOptions,
  }),
  output: z.looseObject({ runs: z.array(RunSummary) }),
})

export const runsShow = command({
  help: 'Show a run: recipe, results, files',
  runsIn: 'main',
  positional: ['id'],
  input: z.strictObject({ id, ...commonOptions }),
  output: RunDetail,
})

export const runsCompare = command({
  help: 'Compare runs: what differs in their recipes, and their results',
  runsIn: 'main',
  positional: ['ids'],
  input: z.strictObject({ ids: z.array(z.string().min(1)).min(2).describe('Two or more run ids'), ...commonOptions }),
  output: z.looseObject({
    runs: z.array(RunSummary),
    /** Fields of the resolved recipe that differ; one value per run, absent fields are null. */
    differences: z.array(z.looseObject({ field: z.string(), values: z.array(z.unknown()) })),
    /** Results by name; one value per run, null where a run lacks it. */
    results: z.record(z.string(), z.array(z.number().nullable())),
  }),
})

export const runsResume = command({
  help: 'Go on with an interrupted run from its last checkpoint',
  runsIn: 'engine',
  positional: ['id'],
  // No seed, threads or provider: a resumed run keeps its own, or its weights would differ.
  input: z.strictObject({ id, store: commonOptions.store }),
  /** The result of the run's own verb. `resumedFromStep` is 0 when no checkpoint had been written yet. */
  output: z.looseObject({ run: z.string(), resumedFromStep: z.number().int().optional() }),
  events: pipelineEvents,
})

export const runsExport = command({
  help: 'Write everything the store knows about a run as one JSON file',
  runsIn: 'main',
  positional: ['id'],
  input: z.strictObject({
    id,
    out: pathField('File to write; the document is the result itself when absent').optional(),
    overwrite: z.boolean().describe('Replace the file').default(false),
    ...commonOptions,
  }),
  output: z.looseObject({ run: z.string(), file: z.string().optional(), bytes: z.number().int().optional() }),
})

export const runsDelete = command({
  help: 'Delete a run and its folder beside the store; files written elsewhere with --out stay',
  runsIn: 'main',
  positional: ['id'],
  input: z.strictObject({ id, ...commonOptions }),
  output: z.looseObject({ run: z.string(), deleted: z.boolean() }),
})
