import { z } from 'zod'
import { command } from './command.ts'
import { trainingEvents } from './events.ts'
import { commonOptions, dataOptions, methodOptions, notBoth, optimisationOptions, pathField } from './options.ts'
import { ModelCost } from './results.ts'

const Named = z.looseObject({ id: z.string(), title: z.string() })

export const catalogue = command({
  help: 'List what a recipe can name: metrics, templates, augmentations, options, methods',
  runsIn: 'engine',
  input: z.strictObject({ ...commonOptions }),
  output: z.looseObject({
    metrics: z.array(Named.extend({ unit: z.string(), better: z.enum(['higher', 'lower']) })),
    templates: z.array(
      Named.extend({
        names: z.array(z.string()),
        paper: z.string(),
        /** What may follow a colon. */
        argument: z.string().optional(),
        /** Whether samples may have any shape, not only that of an image. */
        anyInput: z.boolean(),
      }),
    ),
    augmentations: z.array(Named),
    methods: z.array(
      z.looseObject({
        key: z.string(),
        title: z.string(),
        paper: z.string(),
        /** What it minimises or changes, in plain text. */
        equation: z.string().optional(),
        /** Where it does not pay, or what it does not do. */
        limit: z.string(),
        family: z.string(),
        status: z.string(),
        needs: z.looseObject({}),
        /** What the method's own check showed. */
        claim: z.string(),
        /** JSON Schema of its options. */
        options: z.looseObject({}),
      }),
    ),
    /** JSON Schema of a recipe as it is written. */
    recipe: z.looseObject({}),
  }),
})

const subject = {
  teacher: pathField('Teacher model (.onnx)').optional(),
  data: pathField('Data set: file, folder or builtin:NAME'),
  student: pathField('Student: a .onnx file, template:NAME, width:X or depth:X'),
}

export const planCost = command({
  help: 'Say what a student would cost beside its teacher, before any training',
  runsIn: 'engine',
  input: z.strictObject({ ...subject, ...commonOptions, ...dataOptions }),
  output: z.looseObject({
    teacher: ModelCost.optional(),
    student: ModelCost,
    /** Shape of one sample as the models take it, and the width of their answers. */
    shape: z.array(z.number().int()),
    classes: z.number().int(),
    /** Samples of each share. */
    samples: z.looseObject({ train: z.number().int(), validation: z.number().int(), test: z.number().int() }),
    preprocess: z.string(),
  }),
})

export const planForecast = command({
  help: 'Train a few steps in a store that is thrown away, and forecast time, memory and disk',
  runsIn: 'engine',
  input: z
    .strictObject({
      ...subject,
      method: methodOptions.method.optional(),
      option: methodOptions.option,
      probeSeconds: z.number().positive().max(120).default(8).describe('Longest time for the probe steps, after the first step'),
      ...commonOptions,
      ...dataOptions,
      ...optimisationOptions,
    })
    .refine(...notBoth),
  output: z.looseObject({
    steps: z.number().int(),
    /** Steps that were timed; the first one compiles and is left out. */
    probed: z.number().int(),
    stepsPerSecond: z.number(),
    /** Reading, compiling and the teacher's outputs, before the first step. */
    setupSeconds: z.number(),
    /** Set-up and all steps; judging on the validation share is not in it. */
    seconds: z.number(),
    /** Largest resident memory of the engine process so far. */
    peakBytes: z.number(),
    /** Two checkpoints and the model. */
    diskBytes: z.number(),
  }),
  events: trainingEvents,
})
