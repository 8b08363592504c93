import { basename } from 'node:path'
import type { BatchInput } from '../data/index.ts'
import { ModelError } from '../errors.ts'
import { isConcrete, sizeOf, TensorData, type DataType, type Model, type Shape } from '../ir/index.ts'
import { ancestors, fedInputs, findLogits, prepareModel, prepare, type Prepared } from '../inspect/index.ts'
import { createSession, Value, type SessionOptions } from '../session/index.ts'
import { bindInputs, feedsOf, inGroups, type Rows } from '../train/index.ts'

/** Rows of logits (or of whatever the model puts out), one for each sample. */
export interface Prediction {
  logits: Float32Array
  /** Length of a row. */
  classes: number
  /** Shape of one row, e.g. [10]; longer for models that are no classifiers. */
  shape: readonly number[]
}

/** A model that answers batches: its logits are tapped, any batch size works. */
export interface Predictor {
  readonly name: string
  /** The first input: a tensor whose leading dimension is the batch. */
  readonly input: { name: string; dtype: DataType; shape: Shape }
  /** `sample by sample` where the model's batch could not be freed. */
  readonly mode: 'batch' | 'sample by sample'
  readonly metadata: ReadonlyMap<string, string>
  readonly warnings: readonly string[]
  /**
   * `x` holds `count` samples, row-major, in the layout of the first input. A model of several inputs needs all `inputs` of a batch,
   * `x` among them. Errors: ModelError where they do not fit.
   */
  predict(x: Float32Array, count: number, inputs?: readonly BatchInput[]): Promise<Prediction>
  release(): Promise<void>
}

/**
 * Opens a model for prediction: prepared (see `prepareModel`), logits tapped behind a final softmax.
 * Errors: ModelError for a model that cannot be opened.
 */
export async function openPredictor(source: string | Model, options: SessionOptions = {}): Promise<Predictor> {
  const prepared = typeof source === 'string' ? await prepareModel(source) : await prepare(source)
  const name = options.name ?? (typeof source === 'string' ? basename(source) : 'model')
  const input = inputOf(prepared, name)
  const { model, logits } = tapped(prepared.model)
  const session = await createSession(model, { ...options, name })
  const group = prepared.batch === 'free' ? undefined : prepared.batch
  const sample = input.shape.slice(1)

  const run = async (x: Float32Array, count: number): Promise<Prediction> => {
    const dims = [count, ...(isConcrete(sample) ? sample : inferSample(sample, x.length / count, name))]
    if (sizeOf(dims) !== x.length)
      throw new ModelError(`input '${input.name}' takes ${sizeOf(dims.slice(1))} numbers a sample, found ${x.length / count}`, {
        where: name,
      })
    const { [logits]: value } = await session.run({ [input.name]: asInput(x, dims, input.dtype) }, [logits])
    const rows = value!.numbers()
    const out = rows instanceof Float32Array ? rows : Float32Array.from(rows)
    return { logits: out, classes: out.length / count, shape: value!.dims.slice(1) }
  }
  /** Several inputs, or one that is not the first of the data: bound by name, whole. */
  const runBound = async (inputs: readonly BatchInput[], count: number): Promise<Prediction> => {
    const bound = bindInputs(model.graph, inputs, name)
    const { [logits]: value } = await session.run(feedsOf(bound, inputs), [logits])
    const rows = value!.numbers()
    const out = rows instanceof Float32Array ? rows : Float32Array.from(rows)
    const single = bound.some((b) => b.single)
    return { logits: out, classes: out.length / count, shape: single ? [out.length] : value!.dims.slice(1) }
  }
  const several = fedInputs(model.graph).length > 1
  return {
    name,
    input,
    mode: group === undefined ? 'batch' : 'sample by sample',
    metadata: prepared.model.metadata,
    warnings: prepared.warnings,
    predict(x, count, inputs = []) {
      const whole = inputs.some((v) => v.shape[0] !== count)
      if (several || inputs.length > 1) {
        if (!inputs.length) throw new ModelError('this model takes several inputs, found one', { where: name })
        if (group !== undefined && !whole) return grouped((own) => runBound(own, group), inputs, count, group)
        return runBound(inputs, count)
      }
      if (group === undefined) return run(x, count)
      return grouped(
        ([own]) => run(own!.values, group),
        [{ name: input.name, shape: [count, x.length / count], values: x }],
        count,
        group,
      )
    },
    release: () => session.release(),
  }
}

/** The model with its logits as only output, and nothing that they do not need. */
function tapped(model: Model): { model: Model; logits: string } {
  const { graph } = model
  const logits = findLogits(model).value
  const nodes = ancestors(graph, [logits])
  const output = graph.outputs.find((v) => v.name === logits) ?? { name: logits, type: undefined }
  return { model: { ...model, origin: undefined, graph: { ...graph, origin: undefined, nodes, outputs: [output] } }, logits }
}

function inputOf({ model }: Prepared, name: string): Predictor['input'] {
  const inputs = fedInputs(model.graph)
  const [first] = inputs
  if (first?.type?.kind !== 'tensor' || !first.type.shape?.length)
    throw new ModelError(
      `expected a model whose first input is a tensor, found ${inputs.map((v) => v.name).join(', ') || 'none'}`,
      {
        where: name,
      },
    )
  return { name: first.name, dtype: first.type.dtype, shape: first.type.shape }
}

/** One unknown dimension follows from the number of elements. */
function inferSample(sample: Shape, size: number, name: string): number[] {
  const known = sample.filter((d) => typeof d === 'number').reduce((n, d) => n * d, 1)
  const unknown = sample.filter((d) => typeof d === 'string').length
  // Height and width are equal for the images that preprocessing makes unless it says otherwise.
  const each = Math.round((size / known) ** (1 / unknown))
  if (known * each ** unknown !== size)
    throw new ModelError(`its input shape [${sample.join(', ')}] does not fit samples of ${size} numbers`, { where: name })
  return sample.map((d) => (typeof d === 'number' ? d : each))
}

const asInput = (x: Float32Array, dims: number[], dtype: DataType): Value =>
  dtype === 'float32' ? Value.of('float32', dims, x) : Value.fromTensor(TensorData.of('float32', dims, x).as(dtype))

/** A model of a fixed batch. */
async function grouped(
  run: (inputs: readonly BatchInput[]) => Promise<Prediction>,
  inputs: readonly BatchInput[],
  count: number,
  group: number,
): Promise<Prediction> {
  const rowsOf = async (own: readonly BatchInput[]): Promise<Rows> => {
    const { logits, shape } = await run(own)
    return { rows: logits, shape }
  }
  const { rows, shape } = await inGroups(rowsOf, inputs, count, group)
  return { logits: rows, classes: rows.length / count, shape }
}
