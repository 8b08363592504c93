/** Small models for the tests of this folder. */
import { intAttr, intsAttr, makeGraph, makeModel, makeNode, TensorData, tensorType, type Model } from '../ir/index.ts'
import { random } from '../random.ts'

const weights = (name: string, dims: readonly number[]) => {
  const size = dims.reduce((n, d) => n * d, 1)
  return TensorData.of('float32', dims, random(1, name).fillNormal(new Float32Array(size), 0, 0.3))
}

/**
 * Conv(1 to 4, 3x3) - Relu - MaxPool 2 - Conv(4 to 6, 3x3) - Relu - Reshape to [batch, 54] - Gemm - Softmax, for 10 x 10 images.
 * The batch is written into the Reshape, as exporters that trace do. `batch` is 1 unless given.
 */
export function tracedCnn(batch = 1): Model {
  const graph = makeGraph('cnn')
  graph.inputs = [{ name: 'x', type: tensorType('float32', [batch, 1, 10, 10]) }]
  graph.outputs = [{ name: 'p', type: tensorType('float32', [batch, 5]) }]
  for (const [name, dims] of [
    ['w1', [4, 1, 3, 3]],
    ['b1', [4]],
    ['w2', [6, 4, 2, 2]],
    ['b2', [6]],
    ['w3', [54, 5]],
    ['b3', [5]],
  ] as const)
    graph.initializers.set(name, weights(name, dims))
  graph.initializers.set('flat', TensorData.int64([batch, 54]))
  graph.nodes = [
    makeNode('Conv', ['x', 'w1', 'b1'], ['c1'], { kernel_shape: intsAttr([3, 3]) }),
    makeNode('Relu', ['c1'], ['r1']),
    makeNode('MaxPool', ['r1'], ['p1'], { kernel_shape: intsAttr([2, 2]), strides: intsAttr([2, 2]) }),
    makeNode('Conv', ['p1', 'w2', 'b2'], ['c2'], { kernel_shape: intsAttr([2, 2]) }),
    makeNode('Relu', ['c2'], ['r2']),
    makeNode('Reshape', ['r2', 'flat'], ['f']),
    makeNode('Gemm', ['f', 'w3', 'b3'], ['logits']),
    makeNode('Softmax', ['logits'], ['soft'], { axis: intAttr(1) }),
    makeNode('Identity', ['soft'], ['p']),
  ]
  return makeModel(graph, 17)
}
