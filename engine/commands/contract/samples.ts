import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions, dataOptions, pathField } from './options.ts'
import { SampleView } from './preview.ts'

/** The most likely classes of an answer, best first. */
const Guesses = z.array(z.looseObject({ label: z.string(), probability: z.number() }))

export const evaluateSamples = command({
  help: 'Show what two models answer to the same samples, those they differ on first',
  runsIn: 'engine',
  positional: ['model'],
  input: z.strictObject({
    model: pathField('Model file (.onnx)'),
    against: pathField('Model to compare with, usually the teacher'),
    data: pathField('Data set: file, folder or builtin:NAME'),
    count: z.number().int().min(1).max(100).default(12).describe('Samples shown'),
    pool: z.number().int().min(1).max(2000).default(200).describe('Samples of the test share that are looked at'),
    ...commonOptions,
    ...dataOptions,
  }),
  output: z.looseObject({
    /** Samples that were looked at, and those of them on which both models name the same class. */
    pool: z.number().int(),
    agree: z.number().int(),
    samples: z.array(SampleView.extend({ model: Guesses, against: Guesses, same: z.boolean() })),
  }),
})
