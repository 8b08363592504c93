import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions, pathField } from './options.ts'

const kind = z.enum(['model', 'data']).describe('What the path holds')

/** A file or folder the person brought. It stays where it is; the store remembers the path and what was seen there. */
const Entry = z.looseObject({
  kind,
  path: z.string(),
  /** ISO 8601, UTC. */
  added: z.string(),
  /** Numbers and texts shown in lists, as the front door gave them. */
  facts: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
  /** False when nothing is at the path any more. */
  present: z.boolean(),
})

export const libraryList = command({
  help: 'List the models and data sets that were added, newest first',
  runsIn: 'main',
  input: z.strictObject({ kind: kind.optional(), ...commonOptions }),
  output: z.looseObject({ entries: z.array(Entry) }),
})

export const libraryAdd = command({
  help: 'Remember a model or data set; the file itself stays where it is',
  runsIn: 'main',
  positional: ['kind', 'path'],
  input: z.strictObject({
    kind,
    path: pathField('File or folder'),
    facts: z
      .record(z.string().max(40), z.union([z.number(), z.string().max(200), z.boolean()]))
      .describe('Shown in lists; added to what is known already')
      .default({}),
    ...commonOptions,
  }),
  output: Entry,
})

export const libraryRemove = command({
  help: 'Forget a model or data set; the file itself stays',
  runsIn: 'main',
  positional: ['kind', 'path'],
  input: z.strictObject({ kind, path: pathField('File or folder'), ...commonOptions }),
  output: z.looseObject({ removed: z.boolean() }),
})
