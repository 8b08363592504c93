import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions, pathField } from './options.ts'

/** Pixels of a picture, rows from the top, channels innermost (1 grey, 3 RGB), one byte each, in base64. */
const Picture = z.looseObject({
  width: z.number().int(),
  height: z.number().int(),
  channels: z.number().int(),
  pixels: z.string(),
})

/** One sample in the form that suits its kind. */
export const SampleView = z.looseObject({
  index: z.number().int(),
  /** Class name; absent when unlabelled. */
  label: z.string().optional(),
  /** Size as stored: height, width, channels of a picture, or the tensor's dimensions. */
  shape: z.array(z.number().int()),
  picture: Picture.optional(),
  /** Of a tensor or recording: its numbers, thinned to at most 256 by their extremes. */
  values: z.array(z.number()).optional(),
  /** Of a table: the cells of a row. Of a text: its first token numbers. */
  cells: z.array(z.union([z.number(), z.string()])).optional(),
  /** What the model would see: the picture after preprocessing, with the range of the numbers that go in. */
  prepared: z.looseObject({ picture: Picture, min: z.number(), max: z.number(), mean: z.number() }).optional(),
})

export const dataPreview = command({
  help: 'Show samples of a data set, the size of every class, and what preprocessing makes of them',
  runsIn: 'engine',
  positional: ['path'],
  input: z.strictObject({
    path: pathField('File or folder of the data set, or builtin:NAME'),
    count: z.number().int().min(1).max(400).default(48).describe('Samples shown, drawn by the seed'),
    size: z.number().int().min(8).max(256).default(64).describe('Longest side of a picture, in pixels'),
    model: pathField('Model whose preprocessing is shown as well').optional(),
    preprocess: z
      .union([z.string().min(1), z.record(z.string(), z.unknown())])
      .default('auto')
      .describe('Preprocessing: auto, a known name, a JSON file, or the document itself; needs a model unless it is a document'),
    ...commonOptions,
  }),
  output: z.looseObject({
    /** Kind of sample: `image`, `tensor`, `audio`, `table`, `tokens`, … */
    kind: z.string(),
    samples: z.array(SampleView),
    /** Samples of each class, in the order of the classes; absent when unlabelled. */
    classes: z.array(z.looseObject({ name: z.string(), count: z.number().int() })).optional(),
    /** The preprocessing in use, and how it was found. */
    preprocess: z.looseObject({ document: z.looseObject({}), source: z.string(), text: z.string() }).optional(),
  }),
})
