import type { Tensor } from '../ops/index.ts'
import { kaimingNormal, ones, xavierNormal, zeros } from './initialisers.ts'
import type { TemplateContext } from './template.ts'

type Params = Pick<TemplateContext<unknown>, 'param'>

export interface ConvLayer {
  /** Of both axes, or [height, width]. */
  kernel: number | readonly [number, number]
  stride?: number | readonly [number, number]
  groups?: number
}

const pair = (v: number | readonly [number, number]): readonly [number, number] => (typeof v === 'number' ? [v, v] : v)

/** Convolution without bias, padded so that stride 1 keeps the size. Named `name`, its weight `name.weight`. */
export function conv({ param }: Params, x: Tensor, name: string, channels: number, layer: ConvLayer): Tensor {
  const { stride = 1, groups = 1 } = layer
  const kernel = pair(layer.kernel)
  const w = param(`${name}.weight`, [channels, x.shape[1]! / groups, ...kernel], kaimingNormal({ fan: 'out', groups }))
  // An even kernel is padded more at its end.
  const attrs = {
    kernel_shape: [...kernel],
    strides: [...pair(stride)],
    pads: [...kernel.map((k) => (k - 1) >> 1), ...kernel.map((k) => k >> 1)],
    dilations: [1, 1],
    group: groups,
  }
  return x.emit('Conv', [w], attrs, { names: [name] })
}

/** Batch norm in inference form. Running mean and variance are parameters of the file, not of the optimizer. */
export function batchNorm({ param }: Params, x: Tensor, name: string, scale = ones): Tensor {
  const vector = [x.shape[1]!]
  const inputs = [
    param(`${name}.weight`, vector, scale),
    param(`${name}.bias`, vector, zeros),
    param(`${name}.running_mean`, vector, zeros),
    param(`${name}.running_var`, vector, ones),
  ]
  return x.emit('BatchNormalization', inputs, { epsilon: 1e-5, momentum: 0.9 }, { names: [name] })
}

export const relu = (x: Tensor, name: string): Tensor => x.emit('Relu', [], {}, { names: [name] })

/** min(max(x, 0), 6): keeps the range of activations small for quantization. */
export const relu6 = (x: Tensor, name: string): Tensor => x.emit('Clip', [x.lift(0), x.lift(6)], {}, { names: [name] })

/** Convolution, batch norm and activation: `name.conv`, `name.bn`, `name`. */
export const convNorm = (
  p: Params,
  x: Tensor,
  name: string,
  channels: number,
  layer: ConvLayer,
  activate: typeof relu = relu,
): Tensor => activate(batchNorm(p, conv(p, x, `${name}.conv`, channels, layer), `${name}.bn`), name)

/** Reshape in which 0 keeps a dimension and -1 takes what is left, so that a batch of any size passes. */
export const reshape = (x: Tensor, dims: readonly number[], name: string): Tensor =>
  x.emit('Reshape', [x.b.ints(dims)], { allowzero: 0 }, { names: [name] })

/** Scales kept values by 1 / (1 - ratio) while training and passes everything otherwise. Srivastava et al. 2014. */
export const dropout = (x: Tensor, ratio: number, name: string): Tensor =>
  // With its mask as an output the node stays in the file, for the training compiler to find.
  ratio === 0 ? x : x.b.emit('Dropout', [x, x.lift(ratio)], {}, { names: [name, `${name}.mask`], outputs: 2 })[0]!

/** y = x W' + b on rows [N, D]. `activated`: a ReLU follows. */
export function linear({ param }: Params, x: Tensor, name: string, units: number, activated = false): Tensor {
  const w = param(`${name}.weight`, [units, x.shape[1]!], activated ? kaimingNormal() : xavierNormal())
  const bias = param(`${name}.bias`, [units], zeros)
  return x.emit('Gemm', [w, bias], { transA: 0, transB: 1, alpha: 1, beta: 1 }, { names: [name] })
}

export const flatten = (x: Tensor, name: string): Tensor => x.emit('Flatten', [], { axis: 1 }, { names: [name] })

/** Mean over all positions, then a linear map to the classes: `pool`, `flat`, `logits`. */
export function classifier(p: TemplateContext<unknown>, x: Tensor): { pooled: Tensor; logits: Tensor } {
  const pooled = flatten(x.emit('GlobalAveragePool', [], {}, { names: ['pool'] }), 'flat')
  return { pooled, logits: linear(p, pooled, 'logits', p.classes) }
}

/** Max pooling by `stride` with a window of `kernel`. */
export const maxPool = (x: Tensor, name: string, kernel: number, stride: number): Tensor => {
  const pad = (kernel - stride + 1) >> 1
  return x.emit(
    'MaxPool',
    [],
    { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad] },
    { names: [name] },
  )
}

/** Height or width, whichever is smaller. */
export const side = (x: Tensor): number => Math.min(x.shape[2]!, x.shape[3]!)

/** Channels near `n`, a multiple of 8 and at most a tenth below (Sandler et al. 2018, arXiv:1801.04381). */
export function toEights(n: number): number {
  const rounded = Math.max(8, Math.floor((n + 4) / 8) * 8)
  return rounded < 0.9 * n ? rounded + 8 : rounded
}
