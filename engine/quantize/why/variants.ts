import { TensorData, type Model } from '../../ir/index.ts'
import { cloneModel, redirect } from '../../passes/index.ts'
import eliminateDead from '../../passes/rewrites/eliminate-dead.ts'
import { Emitter } from '../emitter.ts'
import { IntegerReader, realsOf } from '../integers.ts'
import { keepFloat } from '../keepFloat.ts'
import type { Pair, RoundedValue } from './match.ts'

/** The float model with the weights and biases that the integers stand for; activations are not rounded. */
export function weightsOnly(float: Model, pairs: readonly Pair[]): Model {
  const copy = cloneModel(float)
  const e = new Emitter(copy.graph)
  for (const { float: from, integer, dims, rounded, name } of pairs) {
    const node = copy.graph.nodes.find((n) => n.outputs[0] === from.outputs[0])!
    node.inputs[1] = e.constant(`${name}/rounded`, TensorData.of('float32', dims, rounded))
    if (integer.bias && node.inputs[2])
      node.inputs[2] = e.constant(`${name}/bias`, TensorData.of('float32', integer.bias.levels.dims, realsOf(integer.bias)))
  }
  eliminateDead.run(copy.graph)
  return copy
}

/** The integer model with float weights: activations alone are rounded. */
export function activationsOnly(integer: Model, float: Model, pairs: readonly Pair[]): Model {
  const copy = cloneModel(integer)
  const e = new Emitter(copy.graph)
  for (const pair of pairs) restoreWeights(copy, e, float, pair)
  eliminateDead.run(copy.graph)
  keepFloat(copy.graph)
  return copy
}

/** The integer model with one layer as in the float model: its weights, and its input where nothing else reads it. */
export function withFloatLayer(integer: Model, float: Model, pair: Pair, values: readonly RoundedValue[]): Model {
  const copy = cloneModel(integer)
  restoreWeights(copy, new Emitter(copy.graph), float, pair)
  const input = values.find((v) => v.range.integers === pair.integer.input.integers)
  const from = input?.range.from
  if (input && from !== undefined) {
    const reader = new IntegerReader(copy.graph)
    const readers = (reader.usage.consumers.get(from) ?? []).length
    // Where integers stand for a Relu, or another layer reads them, rounding stays.
    if (readers === 1 && (reader.usage.consumers.get(input.rounded) ?? []).length === 1 && input.range.min < 0)
      redirect(copy.graph, input.rounded, from)
    else if (copy.graph.inputs.some((v) => v.name === from)) {
      const node = copy.graph.nodes.find((n) => n.outputs[0] === pair.integer.node.outputs[0])!
      node.inputs[0] = from
    }
  }
  eliminateDead.run(copy.graph)
  keepFloat(copy.graph)
  return copy
}

function restoreWeights(copy: Model, e: Emitter, float: Model, { integer, dims, weight, name, float: from }: Pair): void {
  const node = copy.graph.nodes.find((n) => n.outputs[0] === integer.node.outputs[0])!
  node.inputs[1] = e.constant(`${name}/float`, TensorData.from('float32', dims, weight))
  const bias = from.inputs[2] ? float.graph.initializers.get(from.inputs[2]) : undefined
  if (bias && node.inputs[2]) node.inputs[2] = e.constant(`${name}/bias`, bias)
}
