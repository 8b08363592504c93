import { makeModel, type Model, type TensorData } from '../../engine/ir/index.ts'
import { newBuilder, TEMPLATE_OPSET, type Tensor } from '../../engine/ops/index.ts'
import { initialise, kaimingNormal, zeros, type TemplateContext } from '../../engine/students/index.ts'
import { classifier, convNorm, relu } from '../../engine/students/layers.ts'

/** A model of 32 x 32 pictures for ten classes, written like a template. */
function picture(seed: number, batch: number, build: (ctx: TemplateContext<unknown>, x: Tensor) => Tensor): Model {
  const b = newBuilder(TEMPLATE_OPSET)
  const x = b.input('input', 'float32', [batch, 3, 32, 32])
  const params = new Map<string, TensorData>()
  const ctx: TemplateContext<unknown> = {
    classes: 10,
    o: {},
    inputs: new Map([['input', x]]),
    vocabulary: 0,
    param(name, dims, init) {
      params.set(name, initialise(seed, name, dims, init))
      return b.input(name, 'float32', dims)
    },
  }
  const graph = b.build({ logits: build(ctx, x) }, { name: 'picture' })
  for (const [name, data] of params) graph.initializers.set(name, data)
  graph.inputs = graph.inputs.filter((v) => !params.has(v.name))
  return makeModel(graph, TEMPLATE_OPSET)
}

/** Five 3x3 convolutions with biases and ReLU, strides 1 2 1 2 1. */
export const cnn5 = (seed: number): Model =>
  picture(seed, 64, (ctx, x) => {
    let h = x
    ;[[32, 1], [64, 2], [64, 1], [128, 2], [128, 1]].forEach(([channels, stride], i) => {
      const name = `conv${i}`
      const w = ctx.param(`${name}.weight`, [channels!, h.shape[1]!, 3, 3], kaimingNormal({ fan: 'in' }))
      const bias = ctx.param(`${name}.bias`, [channels!], zeros)
      const attrs = { kernel_shape: [3, 3], strides: [stride!, stride!], pads: [1, 1, 1, 1], dilations: [1, 1], group: 1 }
      h = relu(h.emit('Conv', [w, bias], attrs, { names: [name] }), `${name}.relu`)
    })
    return classifier(ctx, h).logits
  }) // prettier-ignore

/** Depthwise and 1x1 convolutions in turn, each with batch norm and ReLU, as in the first MobileNet (Howard et al. 2017), five times. */
export const mobile = (seed: number): Model =>
  picture(seed, 64, (ctx, x) => {
    let h = convNorm(ctx, x, 'stem', 32, { kernel: 3 })
    ;[[64, 1], [128, 2], [128, 1], [256, 2], [256, 1]].forEach(([channels, stride], i) => {
      h = convNorm(ctx, h, `block${i}.depthwise`, h.shape[1]!, { kernel: 3, stride: stride!, groups: h.shape[1]! })
      h = convNorm(ctx, h, `block${i}.pointwise`, channels!, { kernel: 1 })
    })
    return classifier(ctx, h).logits
  }) // prettier-ignore
