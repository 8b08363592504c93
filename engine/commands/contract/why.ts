import { z } from 'zod'
import { command } from './command.ts'
import { workEvents } from './events.ts'
import { commonOptions, dataOptions, pathField } from './options.ts'

/** A share in [0, 1] with its 95 % interval, and the noise on the outputs in dB (null: none). */
const Judged = z.looseObject({
  value: z.number(),
  ci95: z.tuple([z.number(), z.number()]).optional(),
  agreement: z.number().optional(),
  sqnr: z.number().nullable(),
})
const Span = z.tuple([z.number(), z.number()])
const decibels = z.number().nullable()

const Fix = z.looseObject({
  /** What it does, one sentence. */
  text: z.string(),
  /** The options of `quantize` that it changes. */
  choices: z.record(z.string(), z.unknown()),
})

export const whyHosts = ['this', 'vnni', 'no-vnni'] as const

export const why = command({
  help: 'Say why a quantized model is worse than its float model, and what helps',
  runsIn: 'engine',
  positional: ['model', 'quantized'],
  input: z.strictObject({
    model: pathField('Float model (.onnx)'),
    quantized: pathField('Model that `quantize` made of it, or another program (QDQ form)'),
    data: pathField('Data set: the training share calibrates, the test share judges'),
    host: z
      .enum(whyHosts)
      .default('this')
      .describe('Processor that the model is meant for: this one, or an x86 with or without VNNI'),
    maxDrop: z.number().nonnegative().describe('Largest loss that counts as none, as a share (0.005 = half a point)').optional(),
    samples: z.number().int().min(16).default(1000).describe('Samples that decide, and samples that judge, at most'),
    ...commonOptions,
    ...dataOptions,
  }),
  output: z.looseObject({
    /** One paragraph for the person. */
    summary: z.string(),
    /** `healthy`: no loss beyond chance; `fault`: a cause whose fix gives at least half back; `unexplained`: a loss without such a fix. */
    verdict: z.enum(['healthy', 'fault', 'unexplained']),
    /** What is compared: accuracy, without labels agreement with the float model, without classes 1 / (1 + noise / signal). */
    measure: z.enum(['top1', 'agreement', 'fidelity']),
    /** How the quantized model was made, as far as its file tells. */
    choices: z.record(z.string(), z.unknown()),
    /** On the samples that decide. `weights` and `activations`: those alone rounded; `again`: calibrated anew with the same options. */
    parts: z.looseObject({
      samples: z.number(),
      float: Judged,
      quantized: Judged,
      weights: Judged,
      activations: Judged,
      again: Judged.optional(),
    }),
    /** The same integers on processors that add up in 32 bits (`vnni`), and in pairs of 16 bits. */
    host: z.looseObject({
      target: z.enum(['vnni', 'no-vnni']),
      text: z.string(),
      vnni: Judged,
      noVnni: Judged,
      layersAtRisk: z.number(),
    }),
    /** Signal to noise in dB, in the order of the graph: the layer alone (all, weights, input), and with all before it. */
    layers: z.array(
      z.looseObject({
        name: z.string(),
        op: z.string(),
        sqnr: decibels,
        weightsSqnr: decibels,
        inputsSqnr: decibels,
        cumulativeSqnr: decibels,
        /** Share of the pairs of products that could overflow without VNNI. */
        atRisk: z.number(),
        worstChannels: z.array(z.looseObject({ channel: z.number(), sqnr: z.number(), weightSqnr: z.number() })),
      }),
    ),
    /** Rounded activations: what the integers cover, what was seen, how much lies outside, noise by clipping and by rounding. */
    activations: z.array(
      z.looseObject({
        value: z.string(),
        readBy: z.array(z.string()),
        covered: Span,
        seen: Span,
        clipped: z.number(),
        clippingSqnr: decibels,
        roundingSqnr: decibels,
        /** Largest size over the size that 99.9 % stay below. */
        spread: z.number(),
      }),
    ),
    flips: z.looseObject({
      samples: z.number(),
      count: z.number(),
      lost: z.number().optional(),
      won: z.number().optional(),
      shown: z.array(
        z.looseObject({
          index: z.number(),
          label: z.string().optional(),
          float: z.string(),
          quantized: z.string(),
          margin: z.number(),
        }),
      ),
    }),
    /** The most probable first; each with the fixes that were tried. */
    causes: z.array(
      z.looseObject({
        id: z.string(),
        title: z.string(),
        score: z.number(),
        text: z.string(),
        layers: z.array(z.string()),
        fixes: z.array(Fix.extend({ value: z.number(), recovered: z.number() })),
      }),
    ),
    /** The recommended fix: `input` is that of the command `quantize`, `command` the same as a line for a terminal. */
    fix: Fix.extend({
      cause: z.string(),
      input: z.looseObject({ model: z.string(), data: z.string() }),
      command: z.string(),
      recovered: z.number(),
    }).optional(),
    /** On the test share, which took no part in finding it. */
    heldOut: z.looseObject({ samples: z.number(), float: Judged, quantized: Judged, fixed: Judged.optional() }),
  }),
  events: workEvents,
})
