/** Graphs of any depth, and a fit of how something grows with their size. */
import { makeGraph, makeModel, makeNode, TensorData, tensorType, type Model } from '../../engine/ir/index.ts'
import { random } from '../../engine/random.ts'

const WIDTH = 16
const BATCH = 4

/** A residual multilayer perceptron, MatMul - Add - Relu with a shortcut over every second layer. */
export function deepNet(layers: number): Model {
  const graph = makeGraph('deep')
  const type = tensorType('float32', [BATCH, WIDTH])
  graph.inputs = [{ name: 'x', type }]
  graph.outputs = [{ name: 'y', type }]
  let from = 'x'
  let shortcut = 'x'
  for (let i = 0; i < layers; i++) {
    const weights = random(1, 'deep', i).fillNormal(new Float32Array(WIDTH * WIDTH), 0, 0.1)
    graph.initializers.set(`w${i}`, TensorData.of('float32', [WIDTH, WIDTH], weights))
    graph.initializers.set(`b${i}`, TensorData.of('float32', [WIDTH], new Float32Array(WIDTH)))
    graph.nodes.push(makeNode('MatMul', [from, `w${i}`], [`m${i}`]))
    graph.nodes.push(makeNode('Add', [`m${i}`, `b${i}`], [`a${i}`]), makeNode('Relu', [`a${i}`], [`r${i}`]))
    from = `r${i}`
    if (i % 2 === 0 && i < layers - 1) continue
    graph.nodes.push(makeNode('Add', [from, shortcut], [i === layers - 1 ? 'y' : `s${i}`]))
    from = shortcut = `s${i}`
  }
  return makeModel(graph, 17)
}

/** The exponent k of y = c x^k, by least squares of the logarithms. */
export function exponent(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(Math.max(y, 1e-3))] as const)
  const mean = (k: 0 | 1) => logs.reduce((s, p) => s + p[k], 0) / logs.length
  const [mx, my] = [mean(0), mean(1)]
  const covariance = logs.reduce((s, [x, y]) => s + (x - mx) * (y - my), 0)
  return covariance / logs.reduce((s, [x]) => s + (x - mx) ** 2, 0)
}
