import { describe, expect, it } from 'vitest'
import { gradcheck } from '../inspect/gradcheck/index.ts'
import { isFloat, stringAttr, TensorData, type Model } from '../ir/index.ts'
import { random } from '../random.ts'
import { buildTemplate, type TemplateShape } from './index.ts'

const texts = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({ name, shape: [1, 4] }))

/** Away from the start, where biases of zero put whole maps onto the kink of a ReLU and weights of 0.02 hide their gradients in rounding. */
function shaken(model: Model): Model {
  const initializers = new Map(model.graph.initializers)
  for (const [name, data] of initializers) {
    if (!isFloat(data.dtype) || data.size < 2) continue
    const noise = random(5, 'shake', name).fillNormal(new Float32Array(data.size), 0, 0.2)
    // Variances stay positive.
    const values = data.numbers().map((v, i) => v + (/running_var/.test(name) ? Math.abs(noise[i]!) : noise[i]!))
    initializers.set(name, TensorData.from('float32', data.dims, values))
  }
  return { ...model, graph: { ...model.graph, initializers } }
}

/** GELU in its tanh form: ONNX Runtime has no erf in double precision, and in single the differences of these networks are mostly rounding. */
function withTanh(model: Model): Model {
  const nodes = model.graph.nodes.map((node) =>
    node.op === 'Gelu' ? { ...node, attrs: new Map([...node.attrs, ['approximate', stringAttr('tanh')] as const]) } : node,
  )
  return { ...model, graph: { ...model.graph, nodes } }
}

describe('gradients of small templates agree with differences', () => {
  it.each<[string, Omit<TemplateShape, 'classes' | 'seed'>]>([
    ['ds-cnn?width=0.03&dropout=0', { input: [1, 12, 5] }],
    ['lstm-kws?hidden=3&layers=2', { input: [1, 4, 3] }],
    ['vit-tiny?layers=1&width=6&heads=2', { input: [1, 8, 4] }],
    ['bert-mini?layers=1&width=6&heads=2', { input: [4], inputs: texts, kind: 'tokens', vocabulary: 7 }],
    ['unet-small?channels=2&levels=2&groups=2', { input: [2, 4, 4], target: 'map' }],
    ['gcn:3', { input: [5], kind: 'graph' }],
  ])('%s', { timeout: 120_000 }, async (spec, shape) => {
    const model = withTanh(shaken(buildTemplate(spec, { ...shape, classes: 3, seed: 1 })))
    const result = await gradcheck(model, { seed: 1, threads: 1, order: 1, wrt: 'parameters' })
    const wrong = result.tensors.filter((t) => t.relativeError > 1e-3).map((t) => `${t.name}: ${t.relativeError}`)
    expect(wrong).toEqual([])
    expect(result).toMatchObject({ passed: true, dtype: 'float64' })
  })
})
