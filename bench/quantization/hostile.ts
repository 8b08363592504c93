import { existsSync, renameSync } from 'node:fs'
import { readModel, writeModel } from '../../engine/onnx/index.ts'
import { applyPasses, constantsOf, rewrites } from '../../engine/passes/index.ts'
import { divideChannels, findPairs } from '../../engine/quantize/index.ts'
import { random } from '../../engine/random.ts'

/**
 * A model whose channels differ in range by large factors, drawn from 1 / factor to factor and undone by the next layer: the same function in floats,
 * and hard on integers that share a scale. Written to `path` unless it is there.
 */
export async function hostileModel(from: string, path: string, factor: number): Promise<void> {
  if (existsSync(path)) return
  const wanted = ['drop-identity', 'fold-batch-norm', 'eliminate-dead']
  const { model } = applyPasses(await readModel(from), rewrites.filter((r) => wanted.includes(r.id))) // prettier-ignore
  const draw = random(0, 'hostile')
  findPairs(model.graph).forEach((pair, i) => {
    const s = Float64Array.from({ length: pair.channels }, (_, c) => factor ** (2 * draw.uniform(4096 * i + c) - 1))
    divideChannels(model.graph, pair, s)
  })
  await writeModel(model, `${path}.new`, { external: 'none' })
  renameSync(`${path}.new`, path)
}

/**
 * The model without upper ends of activations (ReLU6 becomes ReLU), as in Nagel et al. 2019, arXiv:1906.04721, section 5.1.1: no factor passes
 * them.
 */
export async function withoutEnds(from: string, path: string): Promise<void> {
  const model = await readModel(from)
  const constant = constantsOf(model.graph)
  for (const node of model.graph.nodes)
    if (node.op === 'Clip' && constant(node.inputs[1])?.numbers()[0] === 0) {
      node.op = 'Relu'
      node.inputs = [node.inputs[0]!]
      node.attrs = new Map()
    }
  await writeModel(model, path, { external: 'none' })
}
