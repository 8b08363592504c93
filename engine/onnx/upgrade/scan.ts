import { getInts, makeGraph, makeNode, type Attribute, type Graph, type Node, type ValueInfo } from '../../ir/index.ts'
import type { Rule, Rules } from './context.ts'

/**
 * Scan-8 ran over axis 1 of inputs with a leading batch axis; Scan-9 knows no batch. An outer scan over the batch takes
 * its place, each step of which runs the old body over the sequence.
 */
const scan9: Rule = (node, c) => {
  const body = node.attrs.get('body')
  const count = node.attrs.get('num_scan_inputs')
  if (body?.type !== 'graph' || count?.type !== 'int') return 'it has no body or number of scan inputs'
  if (node.inputs[0]) return 'its sequences have lengths of their own, which Scan-9 cannot do'
  const inputs = node.inputs.slice(1)
  const states = inputs.length - Number(count.value)
  const attrs: Record<string, Attribute> = { body, num_scan_inputs: count }
  const directions = getInts(node, 'directions')
  if (directions) attrs['scan_input_directions'] = { type: 'ints', value: directions }

  const outer: Graph = makeGraph(`${body.value.name}_batch`)
  const untyped = (name: string): ValueInfo => ({ name, type: undefined })
  const innerInputs = inputs.map((name, i) => c.fresh(`one_${name || i}`))
  const innerOutputs = node.outputs.map((name, i) => c.fresh(`one_${name || i}`))
  outer.inputs = innerInputs.map(untyped)
  outer.outputs = innerOutputs.map(untyped)
  outer.nodes = [makeNode('Scan', innerInputs, innerOutputs, attrs)]
  // Every input, states too, is one slice a sample: the outer scan carries no state.
  const whole: Node = makeNode('Scan', inputs, node.outputs, {
    body: { type: 'graph', value: outer },
    num_scan_inputs: { type: 'int', value: inputs.length },
  })
  return states < 0 ? 'it has fewer inputs than it scans' : [{ ...whole, name: node.name }]
}

export const scanRules: Rules = { 9: { Scan: scan9 } }
