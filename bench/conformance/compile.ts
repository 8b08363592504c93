/** A node test as symbolic tensors, through the path that models take into training: inlined, upgraded, emitted by the rules. */
import { isFloat, type Model, type TensorData } from '../../engine/ir/index.ts'
import { inlineFunctions, upgradeOpset } from '../../engine/onnx/index.ts'
import { inlineGraph, newBuilder, type Builder, type Tensor } from '../../engine/ops/index.ts'

/** Which inputs the compiler may look into. */
export type Knowledge = 'nothing' | 'shape data' | 'everything'
export const KNOWLEDGE: readonly Knowledge[] = ['nothing', 'shape data', 'everything']

export interface Compiled {
  b: Builder
  inputs: Map<string, Tensor>
  /** Outputs by name; undefined for what is no tensor. */
  outputs: Map<string, Tensor | undefined>
}

/** The model at the working opset, or why it cannot be brought there. */
export function prepared(model: Model): { model: Model; obstacle: string | undefined } {
  const { model: upgraded, notUpgraded } = upgradeOpset(inlineFunctions(model))
  const [first] = notUpgraded
  return { model: upgraded, obstacle: first && `${first.op}: ${first.reason}` }
}

/** Emits the graph; `isKnown` tells which inputs become constants. Errors: those of the rules. */
export function compile(model: Model, values: ReadonlyMap<string, TensorData>, isKnown: (name: string) => boolean): Compiled {
  const b = newBuilder()
  const inputs = new Map<string, Tensor>()
  for (const { name } of model.graph.inputs) {
    const data = values.get(name)
    if (!data) continue
    inputs.set(name, isKnown(name) ? b.constant(data) : b.input(name, data.dtype, data.dims))
  }
  const found = inlineGraph(b, model.graph, inputs)
  return { b, inputs, outputs: new Map(model.graph.outputs.map(({ name }) => [name, found.get(name)])) }
}

export const knows = (knowledge: Knowledge, values: ReadonlyMap<string, TensorData>) => (name: string) =>
  knowledge === 'everything' || (knowledge === 'shape data' && !isFloat(values.get(name)!.dtype))
