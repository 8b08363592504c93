import { z } from 'zod'
import { command } from './command.ts'
import { workEvents } from './events.ts'
import { commonOptions, pathField } from './options.ts'

export const gradcheck = command({
  help: 'Compare our gradients with central differences on random inputs',
  runsIn: 'engine',
  positional: ['model'],
  input: z.strictObject({
    model: pathField('Model file (.onnx)'),
    wrt: z.enum(['parameters', 'inputs', 'all']).default('all').describe('Which tensors are differentiated'),
    order: z.number().int().min(1).max(2).default(1).describe('Order of the gradient'),
    entries: z.number().int().min(1).default(12).describe('Entries tried of each tensor'),
    ...commonOptions,
  }),
  output: z.looseObject({
    passed: z.boolean(),
    order: z.number().int(),
    seed: z.number().int(),
    /** Element type of the comparison. */
    dtype: z.enum(['float64', 'float32']),
    maxRelativeError: z.number(),
    /** Share of the entries whose stencil crosses a kink, at most 0.05; and entries compared. */
    skippedShare: z.number(),
    checked: z.number().int(),
    /** Tensors with nothing but slopes that vanish: they agree, but prove nothing. */
    vacuous: z.number().int(),
    /** Shapes that the inputs were given. */
    inputs: z.record(z.string(), z.array(z.number().int())),
    tensors: z.array(
      z.looseObject({
        name: z.string(),
        relativeError: z.number(),
        checked: z.number().int(),
        /** Entries whose stencil crosses a kink. */
        skipped: z.number().int(),
        vacuous: z.boolean(),
      }),
    ),
  }),
  events: workEvents,
})
