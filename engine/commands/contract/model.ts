import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions, pathField } from './options.ts'
import { ModelValue } from './results.ts'

/** An attribute as a reader wants it: numbers and texts as they are, tensors and graphs in words. */
const Attribute = z.union([z.number(), z.string(), z.array(z.union([z.number(), z.string()]))])

/** A constant that a node reads. */
const Weight = z.looseObject({ name: z.string(), dtype: z.string(), shape: z.array(z.number().int()) })

export const modelGraph = command({
  help: 'List the nodes of a model with their attributes, weights and connections',
  runsIn: 'engine',
  positional: ['model'],
  input: z.strictObject({ model: pathField('Model file (.onnx)'), ...commonOptions }),
  output: z.looseObject({
    inputs: z.array(ModelValue),
    outputs: z.array(ModelValue),
    /** In the order of the file, which is topological. `inputs` and `outputs` are names of values; '' is an input left out. */
    nodes: z.array(
      z.looseObject({
        name: z.string(),
        op: z.string(),
        inputs: z.array(z.string()),
        outputs: z.array(z.string()),
        attributes: z.record(z.string(), Attribute),
        weights: z.array(Weight),
      }),
    ),
  }),
})

export const modelWeights = command({
  help: 'Show the distribution of one constant of a model: range, mean, histogram',
  runsIn: 'engine',
  positional: ['model', 'tensor'],
  input: z.strictObject({
    model: pathField('Model file (.onnx)'),
    tensor: z.string().min(1).describe('Name of the constant, as `model graph` lists it'),
    bins: z.number().int().min(2).max(200).default(41).describe('Bars of the histogram'),
    ...commonOptions,
  }),
  output: z.looseObject({
    name: z.string(),
    dtype: z.string(),
    shape: z.array(z.number().int()),
    /** Elements; those that are not finite count here and in `notFinite` alone. */
    count: z.number().int(),
    notFinite: z.number().int(),
    zeros: z.number().int(),
    min: z.number().nullable(),
    max: z.number().nullable(),
    mean: z.number().nullable(),
    /** Square root of the mean squared distance from the mean. */
    deviation: z.number().nullable(),
    /** Elements in each of equal parts of [min, max]. */
    histogram: z.array(z.number().int()),
  }),
})
