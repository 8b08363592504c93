import { z } from 'zod'
import { command } from './command.ts'
import { workEvents } from './events.ts'
import { commonOptions, pathField } from './options.ts'
import { ModelValue } from './results.ts'

export const inspect = command({
  help: 'Look inside a model: operators, layers, parameters, MACs, memory, and what blocks training',
  runsIn: 'engine',
  positional: ['model'],
  input: z.strictObject({ model: pathField('Model file (.onnx)'), ...commonOptions }),
  output: z.looseObject({
    format: z.string(),
    opset: z.number().int(),
    producer: z.string(),
    inputs: z.array(ModelValue),
    outputs: z.array(ModelValue),
    nodes: z.number().int(),
    parameters: z.number().int(),
    bytes: z.number().int(),
    /** Absent or null where shapes cannot be determined. */
    macs: z.number().nullish(),
    activationBytes: z.number().nullish(),
    ops: z.record(z.string(), z.number().int()),
    layers: z.array(z.looseObject({ name: z.string(), op: z.string() })),
    differentiable: z.boolean(),
    missingGradients: z.array(z.looseObject({ node: z.string(), op: z.string(), reason: z.string() })),
    warnings: z.array(z.string()),
  }),
  events: workEvents,
})
