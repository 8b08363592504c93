import { z } from 'zod'

/**
 * Fields that name a file or folder. Front doors make them absolute before a call, so that a stored run can be resumed from
 * any working directory. Of kind `json`, only values that end so are files; of kind `model`, a bare word is a name (`resnet-8`). A value with a scheme (`template:resnet-8`, `builtin:glyphs`) is left as it is.
 */
export const pathFields = z.registry<{ kind: 'path' | 'json' | 'model' }>()

/** A field that names a file or folder (or `scheme:name`). */
export const pathField = (description: string) => z.string().min(1).describe(description).register(pathFields, { kind: 'path' })

/** A field that names a model file, or a model by name or scheme. */
export const modelField = (description: string) => z.string().min(1).describe(description).register(pathFields, { kind: 'model' })

/** Whether a field's value is a file's name, which a front door makes absolute. */
export function namesFile(kind: 'path' | 'json' | 'model' | undefined, value: string): boolean {
  if (kind === 'json') return /\.json$/i.test(value)
  return kind === 'path' || (kind === 'model' && /[/\\]|\.onnx(\?|$)/i.test(value))
}

const count = (description: string) => z.number().int().positive().describe(description)
const nonNegative = (description: string) => z.number().nonnegative().describe(description)

export const providers = ['cpu', 'webgpu', 'cuda', 'dml', 'coreml'] as const

/** Options that every command takes. */
export const commonOptions = {
  seed: z.number().int().min(0).max(0xffffffff).default(0).describe('Seed of every random choice'),
  threads: count('Threads of the CPU provider; all physical cores when absent').optional(),
  provider: z.enum(providers).default('cpu').describe('Execution provider'),
  store: pathField("Run store (SQLite file); in the user's data folder when absent").optional(),
}

/** How a data set is read and split. */
export const dataOptions = {
  split: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.8)
    .describe('Share used for training, the rest is test; ignored where the data has its own split'),
  labels: z.enum(['on', 'off']).default('on').describe('`off` never opens the labels'),
  preprocess: z
    .string()
    .min(1)
    .describe('Preprocessing: `auto`, a known name, or a JSON file; `auto` takes what the model says, or ranks the usual ones')
    .register(pathFields, { kind: 'json' })
    .default('auto'),
}

export const optimizers = ['sgd', 'adam', 'adamw', 'lion'] as const
export const schedules = ['constant', 'cosine', 'step', 'one-cycle'] as const

/** The optimisation itself; the recipe's `train` section holds the same fields. Absent fields take the method's or the trainer's default. */
export const optimisationOptions = {
  steps: count('Optimizer steps').optional(),
  epochs: z.number().positive().describe('Passes over the training share, instead of steps').optional(),
  batch: count('Samples in a step').default(64),
  lr: z.number().positive().describe('Peak learning rate; depends on the optimizer when absent').optional(),
  optimizer: z.enum(optimizers).describe('Optimizer').optional(),
  schedule: z.enum(schedules).describe('Learning rate schedule').optional(),
  warmup: z.number().int().nonnegative().describe('Steps of linear warm-up').optional(),
  weightDecay: nonNegative('Weight decay; spares norms and biases').optional(),
  momentum: z.number().min(0).lt(1).describe('Momentum of sgd').optional(),
  clip: z.number().positive().describe('Largest global gradient norm').optional(),
  ema: z.number().gt(0).lt(1).describe('Decay of an exponential moving average of the weights').optional(),
  accumulate: count('Batches summed into one optimizer step').default(1),
  labelSmoothing: z.number().min(0).lt(1).describe('Share of the label spread over all classes').default(0),
  patience: count('Stop after this many evaluations without improvement').optional(),
  evalEvery: count('Steps between evaluations on the validation share').optional(),
  checkpointEvery: count('Steps between checkpoints').optional(),
  augment: z.array(z.string().min(1)).describe('Augmentations, e.g. flip,crop,mixup').default([]),
  tune: z
    .enum(['auto', 'on', 'off'])
    .describe(
      'Time equal forms of operators and take the fastest; `auto` does with several threads, `off` gives the same bits on every run',
    )
    .default('auto'),
}

/** Where results go. */
export const outOptions = {
  out: pathField('Folder that receives the results; the run folder beside the store when absent').optional(),
  overwrite: z.boolean().describe('Replace results that are already there').default(false),
}

/** What all training verbs take. */
export const trainingOptions = {
  ...commonOptions,
  ...dataOptions,
  ...optimisationOptions,
  ...outOptions,
  name: z.string().max(120).describe('Name of the run in lists').optional(),
}

/** Methods with their options: `--method a,b --option a.weight=0.5`. */
export const methodOptions = {
  method: z.array(z.string().min(1)).min(1).describe('Methods of the catalogue'),
  option: z
    .record(z.string(), z.unknown())
    .describe('Option of a method; KEY.NAME=VALUE where there are several methods')
    .default({}),
}

/** Rejects an input that gives both steps and epochs; put on a training verb's input with `.refine(...notBoth)`. */
export const notBoth: [
  (input: { steps?: number | undefined; epochs?: number | undefined }) => boolean,
  { path: string[]; error: string },
] = [
  (input) => input.steps === undefined || input.epochs === undefined,
  { path: ['epochs'], error: 'give either steps or epochs, not both' },
]
