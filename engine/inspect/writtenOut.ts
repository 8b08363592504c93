import { ModelError, UnsupportedError } from '../errors.ts'
import { isFloat, subgraphs, type Graph, type Model, type Node } from '../ir/index.ts'
import { inlineFunctions, upgradeOpset } from '../onnx/index.ts'
import { inlineGraph, newBuilder, type Builder, type Step, type Tensor, type TensorType } from '../ops/index.ts'
import { bindDims, dtypeOf, fedInputs, isSymbolic, TRIAL_SIZES } from './samples.ts'
import { opName } from './table.ts'
import type { MissingGradient } from './trainable.ts'

type Types = ReadonlyMap<string, TensorType>

/** Operators that exist only until the compiler has written them out. */
const TRANSIENT = /^(Sequence|Optional|SplitToSequence$|ConcatFromSequence$)/

export const hasControlFlow = (nodes: readonly Node[]): boolean =>
  nodes.some((node) => subgraphs(node).length > 0 || (node.domain === '' && TRANSIENT.test(node.op)))

/**
 * As `missingGradients`, of a model with control flow or sequences: judged on what the compiler makes of it, since a branch that is never
 * taken stops nothing, and an operator inside of a loop may. Inputs are fed at run time, whatever their type. Shapes that were inferred
 * without a run may be too small for the layers inside a subgraph: other trial sizes get a chance.
 */
export function missingWrittenOut(model: Model, types: ReadonlyMap<string, TensorType>): MissingGradient[] {
  const { graph } = upgradeOpset(inlineFunctions(model)).model
  const found = judge(graph, types, types)
  if (!found.length || !isSymbolic(graph)) return found
  for (const size of TRIAL_SIZES) {
    const dims = bindDims(graph, size, 1)
    const inputs = fedInputs(graph).flatMap((v): [string, TensorType][] => {
      const [dtype, shape] = [dtypeOf(v), dims.get(v.name)]
      return dtype && shape ? [[v.name, { dtype, shape }]] : []
    })
    if (!judge(graph, new Map(inputs), undefined).length) return []
  }
  return found
}

/** @param opaque types of values that may stay opaque. */
function judge(graph: Graph, inputs: Types, opaque: Types | undefined): MissingGradient[] {
  const b = newBuilder()
  const weights: Tensor[] = []
  const given = new Map<string, Tensor>()
  for (const { name } of fedInputs(graph)) {
    const type = inputs.get(name)
    if (type) given.set(name, b.input(name, type.dtype, type.shape))
  }
  try {
    const values = inlineGraph(b, graph, given, {
      ...(opaque ? { types: opaque } : {}),
      initializer(name, data) {
        if (!isFloat(data.dtype) || data.size < 2) return undefined
        weights.push(b.input(name, data.dtype, data.dims))
        return weights.at(-1)
      },
    })
    const outputs = graph.outputs.flatMap(({ name }) => values.get(name) ?? [])
    return stops(b, outputs, weights.length ? weights : [...given.values()])
  } catch (error) {
    if (!(error instanceof ModelError || error instanceof UnsupportedError)) throw error
    const [, node = '', op = ''] = /'(.*)' \((.*)\)/.exec(error.where ?? '') ?? []
    return [{ node, op, reason: error.message }]
  }
}

/** Steps between `from` and the outputs that a gradient cannot pass. */
function stops(b: Builder, outputs: readonly Tensor[], from: readonly Tensor[]): MissingGradient[] {
  const carrying = new Set(from)
  const missing = new Map<string, MissingGradient>()
  for (const step of b.reachable(outputs)) {
    if (step.rule?.grad === 'zero' || !step.inputs.some((x) => x && carrying.has(x))) continue
    const floats = step.outputs.filter((y) => isFloat(y.dtype))
    for (const y of floats) carrying.add(y)
    const reason = floats.length ? whyNot(step) : undefined
    if (!reason) continue
    // The passes of a loop tell the same thing again, of nodes numbered after the first.
    const { name } = step.node
    const key = `${opName(step.node)} ${name.replace(/_\d+$/, '')} ${reason}`
    if (!missing.has(key)) missing.set(key, { node: name, op: opName(step.node), reason })
  }
  return [...missing.values()]
}

function whyNot({ rule, reason }: Step): string | undefined {
  if (!rule) return reason ?? 'no rule for this operator; a rule would go to engine/ops/rules, see docs/adding.md'
  return typeof rule.grad === 'object' ? rule.grad.none : undefined
}
