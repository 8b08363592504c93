import { isFloat, type Graph, type Model, type Node } from '../ir/index.ts'
import { ruleBook, WORKING_OPSET, type TensorType } from '../ops/index.ts'
import { constantsOf, opName } from './table.ts'
import { hasControlFlow, missingWrittenOut } from './writtenOut.ts'

export interface MissingGradient {
  node: string
  op: string
  reason: string
}

/**
 * Nodes that stop a training graph: those between a float weight and an output of the model whose operator has no gradient.
 * An operator that is constant almost everywhere ('zero') is none of them; neither is what follows it, as no gradient comes there.
 * A model without weights is judged from its inputs.
 */
export function missingGradients(model: Model, types: ReadonlyMap<string, TensorType>): MissingGradient[] {
  const { graph } = model
  if (hasControlFlow(graph.nodes)) return missingWrittenOut(model, types)
  const reaching = towardsOutputs(graph)
  const weights = [...constantsOf(graph)].flatMap(([name, data]) => (isFloat(data.dtype) && data.size > 1 ? [name] : []))
  const carrying = new Set(weights.length ? weights : graph.inputs.map((v) => v.name))
  const missing: MissingGradient[] = []
  for (const node of graph.nodes) {
    if (!reaching.has(node) || !node.inputs.some((v) => carrying.has(v))) continue
    const rule = ruleBook.find(node.op, node.domain, WORKING_OPSET)
    if (rule?.grad === 'zero') continue
    for (const v of node.outputs) {
      const type = types.get(v)
      if (v && (!type || isFloat(type.dtype))) carrying.add(v)
    }
    // No float comes out: indices and shapes carry no gradient, whatever the operator.
    if (!node.outputs.some((v) => carrying.has(v))) continue
    const reason = whyNot(rule)
    if (reason) missing.push({ node: node.name || (node.outputs[0] ?? ''), op: opName(node), reason })
  }
  return missing
}

function whyNot(rule: ReturnType<typeof ruleBook.find>): string | undefined {
  if (!rule) return 'no rule for this operator; a rule would go to engine/ops/rules, see docs/adding.md'
  return typeof rule.grad === 'object' ? rule.grad.none : undefined
}

/** Nodes that an output of the graph depends on. */
function towardsOutputs(graph: Graph): Set<Node> {
  const needed = new Set(graph.outputs.map((v) => v.name))
  const kept = new Set<Node>()
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((v) => needed.has(v))) continue
    kept.add(node)
    for (const v of node.inputs) needed.add(v)
  }
  return kept
}
