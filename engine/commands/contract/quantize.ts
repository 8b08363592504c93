import { z } from 'zod'
import { command } from './command.ts'
import { trainingEvents, workEvents } from './events.ts'
import { commonOptions, dataOptions, notBoth, optimisationOptions, outOptions, pathField } from './options.ts'
import { Metrics } from './results.ts'

export const schemes = [
  'int8',
  'int8-signed',
  'int8-dynamic',
  'uint8',
  'int16',
  'int4-weights',
  'int8-weights',
  'fp16',
  'mixed',
] as const

/** How `mixed` ranks layers. */
export const sensitivities = ['one-on', 'one-off', 'sqnr', 'hessian'] as const

/** How quantization-aware training finds its steps. */
export const estimators = ['ste', 'lsq', 'pact'] as const

/** Fields shared with the recipe's `quantize` section. */
export const quantizeOptions = {
  scheme: z.enum(schemes).default('int8').describe('Number format'),
  calibration: z
    .enum(['minmax', 'moving-average', 'percentile', 'entropy', 'mse'])
    .default('minmax')
    .describe('How activation ranges are chosen'),
  equalize: z.boolean().describe('Balance the weight ranges of neighbouring convolutions first').default(false),
  rounding: z
    .enum(['rtn', 'gptq', 'awq', 'hqq', 'adaround', 'brecq'])
    .default('rtn')
    .describe('How the integers of weights are chosen; adaround and brecq for static schemes too'),
  roundingSteps: z.number().int().positive().describe('Optimizer steps for each layer or block of adaround and brecq').optional(),
  smooth: z
    .number()
    .min(0)
    .max(1)
    .describe("SmoothQuant: share of the activations' outliers that moves into the weights, 0.5 for instance")
    .optional(),
  biasCorrection: z.boolean().describe('Let biases make up for the mean error of rounded weights').default(false),
  symmetric: z.boolean().describe('Activations with the middle of the integers for 0').default(false),
  format: z.enum(['qdq', 'qoperator']).describe('Pairs around float operators, or operators on integers').default('qdq'),
  sensitivity: z.enum(sensitivities).describe('How mixed ranks layers').default('one-on'),
  block: z
    .number()
    .int()
    .nonnegative()
    .describe('Numbers that share a scale in weight-only schemes, a power of 2 from 16 on; 0 for a whole row')
    .default(32),
  exclude: z.array(z.string().min(1)).describe('Layers that stay in float: names, or /expressions/').default([]),
  reduceRange: z
    .boolean()
    .describe('7 of the 8 bits of a weight: x86 kernels without VNNI then cannot overflow; decided by this processor when absent')
    .optional(),
  granularity: z.enum(['per-tensor', 'per-channel', 'block']).default('per-channel').describe('What shares one weight scale'),
  maxDrop: z.number().nonnegative().describe('Largest loss of the task metric, as a share (0.003 = 0.3 points)').optional(),
  analyse: z.enum(['palette']).describe('Say besides how few shared values would do to each weight').optional(),
  calibrationSamples: z.number().int().positive().describe('Training samples used for calibration').optional(),
  qat: z
    .enum(estimators)
    .describe('Train the model as the integers it becomes, taught by itself: with fixed ranges, learned steps or learned clips')
    .optional(),
  qatBits: z.number().int().min(2).max(8).default(8).describe('Bits of weights and activations in that training'),
  qatEpochs: z.number().positive().default(5).describe('Passes over the training share in that training, where no steps are given'),
}

export const quantize = command({
  help: 'Store weights and activations in fewer bits, and say what it costs',
  runsIn: 'engine',
  positional: ['model'],
  input: z
    .strictObject({
      model: pathField('Model file (.onnx)'),
      data: pathField('Data set for calibration and judging'),
      ...quantizeOptions,
      ...commonOptions,
      ...dataOptions,
      ...optimisationOptions,
      ...outOptions,
    })
    .refine(...notBoth),
  output: z.looseObject({
    run: z.string().optional(),
    model: z.string(),
    scheme: z.string(),
    bytes: z.number().int(),
    /** Signal to quantization noise in dB, by layer; null where the layer's output is constant. */
    layers: z.array(z.looseObject({ name: z.string(), precision: z.string(), sqnr: z.number().nullish() })),
    metrics: z.looseObject({ float: Metrics, quantized: Metrics }),
    missedGoals: z.array(z.string()).optional(),
  }),
  events: { ...trainingEvents, ...workEvents },
})
