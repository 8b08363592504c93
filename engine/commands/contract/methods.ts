import { z } from 'zod'
import { command } from './command.ts'
import { workEvents } from './events.ts'
import { commonOptions } from './options.ts'

const Method = z.looseObject({ key: z.string(), title: z.string(), paper: z.string(), family: z.string(), status: z.string() })
const key = z.string().min(1).describe('Key of the method')

export const methodsList = command({
  help: 'List the catalogue of methods',
  runsIn: 'main',
  input: z.strictObject({ ...commonOptions }),
  output: z.looseObject({ methods: z.array(Method) }),
})

export const methodsShow = command({
  help: 'Show one method: paper, formula, options',
  runsIn: 'main',
  positional: ['key'],
  input: z.strictObject({ key, ...commonOptions }),
  /** `options` is the JSON Schema of the method's options, from which forms and flags are made. */
  output: Method.extend({ equation: z.string().optional(), limit: z.string(), options: z.looseObject({}) }),
})

export const methodsCheck = command({
  help: "Run a method's own small check and say what was compared",
  runsIn: 'engine',
  positional: ['key'],
  input: z.strictObject({
    key,
    seeds: z.array(z.number().int().nonnegative()).min(1).default([1, 2, 3]).describe('One training of each side for each seed'),
    sabotage: z.boolean().describe("Break the method's formula on purpose: the check must then fail").default(false),
    ...commonOptions,
  }),
  output: z.looseObject({
    key: z.string(),
    claim: z.string(),
    passed: z.boolean(),
    seeds: z.array(z.union([z.number(), z.looseObject({})])),
    measured: z.looseObject({}),
    required: z.looseObject({}),
  }),
  events: workEvents,
})
