import type { BatchInput, InputSpec } from '../data/index.ts'
import { ModelError, OptionError } from '../errors.ts'
import { fedInputs, dtypeOf, shapeOf } from '../inspect/index.ts'
import { isFloat, TensorData, type DataType, type Graph, type ValueInfo } from '../ir/index.ts'
import type { Builder, Tensor } from '../ops/index.ts'
import { Value } from '../session/index.ts'

export interface BoundInput {
  /** Name in the model. */
  name: string
  dtype: DataType
  /** Which of the data's inputs goes there. */
  from: number
  /** The model takes one sample as it is, without an axis for the batch. */
  single?: boolean
}

/** A name without what exporters append and prepend: `serving/input_ids:0` is `input_ids`. */
const plain = (name: string): string => name.toLowerCase().replace(/:\d+$/, '').split('/').at(-1)!

type Known = Pick<InputSpec, 'name'> & { readonly shape?: readonly number[] }

/** Whether an input is of one sample's shape: one axis fewer than the data's, and of equal lengths as far as they are fixed. */
function takesOne(input: ValueInfo, { shape: data }: Known): boolean {
  const own = shapeOf(input)
  return !!own && data?.length === own.length + 1 && own.every((d, i) => typeof d === 'string' || d === data[i + 1])
}

/** One sample without the axis of the batch. Errors: OptionError for a batch of several. */
export function withoutBatch(shape: readonly number[], name: string): readonly number[] {
  if (shape[0] === 1) return shape.slice(1)
  throw new OptionError(`input '${name}' takes one sample at a time, and the batch has ${shape[0]}`, {
    where: 'batch',
    hint: '--batch 1, with --accumulate for the mean of several samples in a step',
  })
}

/** An input of whole numbers that are the same in every batch, as a constant; undefined for others. */
export const constantOf = (b: Builder, { name, shape, values }: InputSpec, dtype: DataType): Tensor | undefined =>
  values && !isFloat(dtype) ? b.constant(TensorData.of('float32', shape, values).as(dtype), name) : undefined

/** Whether a model takes one sample at a time, its inputs having no axis for the batch. */
export const takesOneSample = (graph: Graph, data: readonly Known[]): boolean =>
  bindInputs(graph, data).some((bound) => bound.single)

/**
 * Which of the data's inputs each input of a model takes: by name, and where exactly one of each is left, that one. The data may have
 * inputs that the model does not take. Errors: ModelError where an input of the model stays without data.
 */
export function bindInputs(graph: Graph, data: readonly Known[], where = graph.name): BoundInput[] {
  const inputs = fedInputs(graph)
  const byName = new Map(data.map(({ name }, i) => [plain(name), i]))
  const found = inputs.map((input) => byName.get(plain(input.name)))
  const free = inputs.flatMap((_, i) => (found[i] === undefined ? [i] : []))
  const unused = data.flatMap((_, i) => (found.includes(i) ? [] : [i]))
  // The main input goes to the only one that is left, whatever its name.
  if (free.length === 1 && unused.length > 0 && (inputs.length === 1 || unused.length === 1)) found[free[0]!] = unused[0]!
  return inputs.map((input, i): BoundInput => {
    const from = found[i]
    const dtype = dtypeOf(input)
    if (dtype === undefined) throw new ModelError(`input '${input.name}' is no tensor`, { where })
    if (from !== undefined) return { name: input.name, dtype, from, ...(takesOne(input, data[from]!) ? { single: true } : {}) }
    const wanted = inputs.map((v) => v.name).join(', ')
    throw new ModelError(
      `the model takes ${wanted}; the data has ${data.map((d) => d.name).join(', ')}, nothing for '${input.name}'`,
      {
        where,
        hint: 'give the data as an NPZ file with an array for each input, named after it',
      },
    )
  })
}

const shared = new WeakMap<Float32Array, Map<DataType, Value>>()

/** A batch's input as a value of the element type that the model wants. Converted once where the same array comes again. */
export function valueOf({ shape, values }: BatchInput, dtype: DataType): Value {
  if (dtype === 'float32') return Value.of('float32', shape, values)
  let known = shared.get(values)
  if (!known) shared.set(values, (known = new Map()))
  let value = known.get(dtype)
  if (!value) known.set(dtype, (value = Value.fromTensor(TensorData.of('float32', shape, values).as(dtype))))
  return value
}

/** Feeds of a model for one batch. */
export const feedsOf = (bound: readonly BoundInput[], inputs: readonly BatchInput[]): Record<string, Value> =>
  Object.fromEntries(
    bound.map(({ name, dtype, from, single }) => {
      const { shape, ...input } = inputs[from]!
      return [name, valueOf({ ...input, shape: single ? withoutBatch(shape, name) : shape }, dtype)]
    }),
  )
