import { getInt, type Model } from '../ir/index.ts'
import { WORKING_OPSET } from '../ops/index.ts'
import type { Probe } from './probe.ts'
import { fedInputs, shapeOf } from './samples.ts'
import { constantsOf, graphsOf, type Table } from './table.ts'

const STANDARD = /^(|ai\.onnx\.ml|ai\.onnx\.preview\.training|com\.microsoft(\..*)?)$/
const NORMS = /Normalization$|^LRN$/

/** What a person should know before they compress this model, one sentence each. */
export function warningsOf(model: Model, probe: Probe, table: Table): string[] {
  const { graph } = model
  const nodes = graphsOf(graph).flatMap((g) => g.nodes)
  const found: string[] = []
  const first = fedInputs(graph)[0]
  const shape = first && shapeOf(first)
  if (shape && shape.length > 1 && typeof shape[0] === 'number')
    found.push(`input '${first.name}' has a fixed batch of ${shape[0]}; it is made free on loading where the outputs allow it`)
  const constants = constantsOf(graph)
  const biased = nodes.filter((n) => n.op === 'Conv' && n.inputs[2]).length
  if (biased >= 3 && !nodes.some((n) => NORMS.test(n.op)))
    found.push(
      'no normalisation layers: batch norm was probably folded into the convolutions, so batch statistics, and methods that need them, are gone',
    )
  if (nodes.some((n) => n.op === 'BatchNormalization' && getInt(n, 'training_mode', 0) === 1))
    found.push('batch normalisation is in training mode: outputs depend on the other samples of the batch')
  const image = shape?.length === 4 && [1, 3, 4].some((channels) => shape[1] === channels || shape[3] === channels)
  const described = [...model.metadata.keys()].some((k) => /preprocess|^Image\./i.test(k))
  if (image && !described)
    found.push('the file does not say how images are preprocessed; the usual normalisations are tried and ranked')
  const halves = [...constants.values()].filter((d) => d.dtype === 'float16' || d.dtype === 'bfloat16').length
  if (halves) found.push(`${halves} weights are half precision; they are trained in float32`)
  const control = nodes.filter((n) => ['If', 'Loop', 'Scan', 'SequenceMap'].includes(n.op)).length
  if (control) found.push(`${control} control flow nodes: the model can teach, but not be trained; work inside them is not counted`)
  const domains = new Set(
    nodes.map((n) => n.domain).filter((d) => !STANDARD.test(d) && !model.functions.some((f) => f.domain === d)),
  )
  if (domains.size) found.push(`operators of other domains: ${[...domains].join(', ')}`)
  const opset = model.opsets.get('') ?? 0
  if (opset > WORKING_OPSET) found.push(`opset ${opset} is newer than the rules of this program know (${WORKING_OPSET})`)
  const quantized = nodes.some((n) => /^(De)?QuantizeLinear$|^QLinear|Integer$/.test(n.op))
  if (quantized) found.push('the model is quantized already')
  if (probe.unknown.length)
    found.push(
      `${probe.unknown.length} of ${probe.unknown.length + probe.types.size} values have unknown shapes; what depends on them is left out`,
    )
  if (table.layers.some((l) => l.macs === null))
    found.push('multiply-accumulates cannot be told for every layer, so there is no sum')
  return found
}
