import { getInts, getString, type Attribute, type Graph, type Node } from '../../ir/index.ts'
import type { Tensor } from '../../ops/index.ts'

/**
 * The graph with the output sizes of its transposed convolutions given as paddings, so that it takes inputs of other sizes and computes the
 * same on those of its own. `values` has the shapes at its own size. Spec: onnx ConvTranspose-11, `output_shape`.
 */
export function withoutSizes(graph: Graph, values: ReadonlyMap<string, Tensor>): Graph {
  const nodes = graph.nodes.map((node): Node => {
    const [x, w, y] = [node.inputs[0], node.inputs[1], node.outputs[0]].map((name) => values.get(name ?? '')?.shape.slice(2))
    if (node.op !== 'ConvTranspose' || !node.attrs.has('output_shape') || !x || !w || !y) return node
    const each = (name: string) => getInts(node, name) ?? x.map(() => 1)
    const [strides, dilations] = [each('strides'), each('dilations')]
    const natural = x.map((d, i) => (d - 1) * strides[i]! + (w[i]! - 1) * dilations[i]! + 1)
    const extra = natural.map((d, i) => y[i]! - d)
    const total = extra.map((d) => Math.max(0, -d))
    const half = (up: boolean) => total.map((d) => (up ? Math.ceil(d / 2) : Math.floor(d / 2)))
    const upper = getString(node, 'auto_pad', 'NOTSET') === 'SAME_UPPER'
    const attrs = new Map<string, Attribute>(node.attrs)
    attrs.delete('output_shape')
    attrs.delete('auto_pad')
    attrs.set('pads', { type: 'ints', value: [...half(!upper), ...half(upper)] })
    attrs.set('output_padding', { type: 'ints', value: extra.map((d) => Math.max(0, d)) })
    return { ...node, attrs }
  })
  return { ...graph, nodes }
}
