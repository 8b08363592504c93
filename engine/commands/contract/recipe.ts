import { z } from 'zod'
import { benchmarkOptions } from './benchmark.ts'
import { variants } from './export.ts'
import { commonOptions, dataOptions, modelField, optimisationOptions, pathField } from './options.ts'
import { quantizeOptions } from './quantize.ts'

const text = z.string().min(1)

const Data = z.strictObject({ path: pathField('File, folder or builtin:NAME'), ...dataOptions })

const Student = z.strictObject({
  from: modelField('A .onnx file, the name of a template, width:X or depth:X'),
  weights: z.enum(['keep', 'fresh']).default('keep').describe("Whether a file's own weights are kept; templates are always fresh"),
  pairs: z.record(z.string(), z.string()).describe('Layer pairs for feature losses, student name to teacher name').optional(),
})

const Method = z.strictObject({
  key: text.describe('Key of the catalogue'),
  options: z.record(z.string(), z.unknown()).describe("The method's own options").default({}),
})

const Goal = z.strictObject({ atLeast: z.number().optional(), atMost: z.number().optional() })

/**
 * The document a user runs. Every key is checked, at every depth; what is absent takes the default of the verb it belongs to,
 * and an absent section is not done. Relative paths start at the recipe's folder.
 */
export const Recipe = z
  .strictObject({
    $schema: text.describe('JSON Schema of this document, for editors').optional(),
    name: text.describe('Name shown in lists').optional(),
    description: z.string().optional(),
    teacher: pathField('Teacher model (.onnx)').optional(),
    data: z.union([text, Data]).describe('Data set'),
    student: z.union([text, Student]).describe('What is trained'),
    methods: z
      .array(z.union([text, Method]))
      .describe('Methods of the catalogue; without any, the student learns from labels')
      .default([]),
    train: z.strictObject(optimisationOptions).prefault({}).describe('Training'),
    quantize: z.strictObject(quantizeOptions).describe('Quantization of the trained student').optional(),
    evaluate: z
      .strictObject({ metrics: z.array(text).optional() })
      .describe('Judging on the test share')
      .optional(),
    benchmark: z.strictObject(benchmarkOptions).describe('Latency against the teacher').optional(),
    export: z
      .strictObject({ variants: z.array(z.enum(variants)).min(1).optional() })
      .describe('The folder for apps')
      .optional(),
    goals: z
      .record(z.string(), Goal)
      .describe('Bounds on results by name, e.g. top1, agreement, parameters, bytes, speedup')
      .default({}),
    seed: commonOptions.seed,
    threads: commonOptions.threads,
    provider: commonOptions.provider,
  })
  .refine((recipe) => recipe.train.steps === undefined || recipe.train.epochs === undefined, {
    path: ['train', 'epochs'],
    error: 'give either steps or epochs, not both',
  })

type Written = z.output<typeof Recipe>

/** A recipe with its short forms written out. */
export interface FullRecipe extends Omit<Written, 'data' | 'student' | 'methods'> {
  data: z.output<typeof Data>
  student: z.output<typeof Student>
  methods: z.output<typeof Method>[]
}

/** Write the short forms out: `student: template:mlp` becomes `student: { from: template:mlp, … }`. */
export function fullRecipe(recipe: Written): FullRecipe {
  const { data, student, methods } = recipe
  return {
    ...recipe,
    data: typeof data === 'string' ? Data.parse({ path: data }) : data,
    student: typeof student === 'string' ? Student.parse({ from: student }) : student,
    methods: methods.map((method) => (typeof method === 'string' ? { key: method, options: {} } : method)),
  }
}

/** JSON Schema of the document a user writes (defaults optional), for editors and forms. */
export const recipeJsonSchema = (): Record<string, unknown> => ({
  ...z.toJSONSchema(Recipe, { io: 'input' }),
  title: 'Stillroom recipe',
})
