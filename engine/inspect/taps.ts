import { ModelError } from '../errors.ts'
import { isFloat, usageOf, type Graph, type Model, type Node } from '../ir/index.ts'
import type { TensorType } from '../ops/index.ts'
import { ancestors, probeTypes } from './probe.ts'

export interface LogitsTap {
  /** Value that holds the logits. */
  value: string
  /** Operator that was looked behind; undefined when the output itself is taken. */
  behind: 'Softmax' | 'LogSoftmax' | undefined
  /** Output of the model that it belongs to. */
  output: string
}

/** Operators that change the form of probabilities and not their meaning. */
const TRANSPARENT = new Set(['Identity', 'Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Cast', 'Dropout', 'ZipMap'])

/**
 * Where a classifier's logits are: behind a final Softmax or LogSoftmax, looking through operators that only reshape, or at the
 * output itself. Of several outputs the first that ends in a softmax is taken, else the first float one.
 * Errors: ModelError for a model without outputs.
 */
export function findLogits(model: Model, output?: string): LogitsTap {
  const { graph } = model
  const { producer } = usageOf(graph)
  const outputs = output === undefined ? graph.outputs.map((v) => v.name) : [output]
  for (const name of outputs) {
    const node = behind(name, producer)
    if (node && (node.op === 'Softmax' || node.op === 'LogSoftmax'))
      return { value: node.inputs[0]!, behind: node.op, output: name }
  }
  const plain = graph.outputs.find((v) => v.type?.kind !== 'tensor' || isFloat(v.type.dtype))
  const name = output ?? plain?.name ?? graph.outputs[0]?.name
  if (name === undefined) throw new ModelError('the model has no outputs')
  // A map of class names to scores is no tensor: its scores are.
  const map = producer.get(name)
  return { value: map?.op === 'ZipMap' ? map.inputs[0]! : name, behind: undefined, output: name }
}

/** Name of the value that holds the logits; see `findLogits`. */
export const logitsTap = (model: Model, output?: string): string => findLogits(model, output).value

function behind(value: string, producer: ReadonlyMap<string, Node>): Node | undefined {
  let node = producer.get(value)
  while (node && TRANSPARENT.has(node.op)) node = producer.get(node.inputs[0] ?? '')
  return node
}

export interface FeatureTap {
  /** Value that holds the feature. */
  name: string
  /** Its shape for a batch of 1, [1, channels, …] for feature maps. */
  shape: readonly number[]
  /** Counts from 0; spatial size falls from stage to stage. Vectors come last, each a stage of its own. */
  stage: number
}

const ACTIVATIONS =
  /^(Relu|LeakyRelu|PRelu|Clip|Elu|Selu|Celu|Gelu|FastGelu|HardSwish|HardSigmoid|Mish|Sigmoid|Tanh|Softplus|Swish|ThresholdedRelu|Add|Sum|Mul)$/

/**
 * Values worth comparing between teacher and student: in every stage (equal spatial size) of a convolutional network the last
 * output of an activation or a residual sum before the size falls; after the feature maps, the outputs of activations between
 * the last layers. A model that names its own taps (metadata `stillroom.taps`, as the templates do) is taken at its word.
 * `types` spares a second probing. Batch is 1.
 */
export async function featureTaps(model: Model, types?: ReadonlyMap<string, TensorType>): Promise<FeatureTap[]> {
  const { graph } = model
  const known = types ?? (await probeTypes(model)).types
  const named = model.metadata.get('stillroom.taps')?.split(',') ?? []
  if (named.length && named.every((name) => known.has(name)))
    return named.map((name, stage) => ({ name, shape: known.get(name)!.shape, stage }))
  const logits = findLogits(model)
  const path = ancestors(graph, [logits.value])
  const data = dependsOnInput(graph)
  const taps: { name: string; shape: readonly number[]; area: number }[] = []
  for (const node of path) {
    const name = node.outputs[0]!
    const shape = known.get(name)?.shape
    if (!ACTIVATIONS.test(node.op) || !shape || shape.length < 2 || !data.has(name) || name === logits.value) continue
    // A scale or shift by a constant is part of a normalisation, no activation.
    if (/^(Add|Mul|Sum)$/.test(node.op) && node.inputs.some((v) => !data.has(v))) continue
    const area = shape.length > 2 ? shape.slice(2).reduce((n, d) => n * d, 1) : 0
    // Gates of squeeze-and-excitation are maps of one pixel beside a larger path: they are no stage.
    if (shape.length > 2 && area === 1) continue
    taps.push({ name, shape, area })
  }
  const last = taps.filter((tap, i) => tap.area === 0 || !taps.slice(i + 1).some((later) => later.area === tap.area))
  return last.map(({ name, shape }, stage) => ({ name, shape, stage }))
}

/** Values that depend on an input of the model. */
function dependsOnInput(graph: Graph): Set<string> {
  const data = new Set(graph.inputs.flatMap((v) => (graph.initializers.has(v.name) ? [] : [v.name])))
  for (const node of graph.nodes) if (node.inputs.some((v) => data.has(v))) for (const v of node.outputs) data.add(v)
  return data
}
