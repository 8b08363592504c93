import type { Tensor } from '../ops/index.ts'
import { ones, truncatedNormal, zeros } from './initialisers.ts'
import { dropout, reshape } from './layers.ts'
import type { TemplateContext } from './template.ts'

type Params = Pick<TemplateContext<unknown>, 'param'>

/** Deviation that transformers' weights start with (Devlin et al. 2019, Touvron et al. 2021). */
export const DEVIATION = 0.02

/** The opset of the single nodes for layer normalisation and GELU. */
export const TRANSFORMER_OPSET = 21

/** y = x W + b on the last axis of [..., D], W [D, units]. */
export function dense({ param }: Params, x: Tensor, name: string, units: number): Tensor {
  const w = param(`${name}.weight`, [x.shape.at(-1)!, units], truncatedNormal(DEVIATION))
  const bias = param(`${name}.bias`, [units], zeros)
  return x.emit('MatMul', [w], {}, { names: [`${name}.product`] }).emit('Add', [bias], {}, { names: [name] })
}

/** Layer normalisation over the last axis. Ba, Kiros, Hinton 2016. */
export function layerNorm({ param }: Params, x: Tensor, name: string, epsilon: number): Tensor {
  const size = [x.shape.at(-1)!]
  const inputs = [param(`${name}.weight`, size, ones), param(`${name}.bias`, size, zeros)]
  return x.emit('LayerNormalization', inputs, { axis: -1, epsilon }, { names: [name] })
}

/** x Phi(x), in the exact form. Hendrycks and Gimpel 2016. */
export const gelu = (x: Tensor, name: string): Tensor => x.emit('Gelu', [], { approximate: 'none' }, { names: [name] })

/**
 * Multi-head self-attention of x [N, T, D]: softmax(Q K' / sqrt(D / heads) + bias) V, heads side by side, and a linear map.
 * `bias` broadcasts to [N, heads, T, T]. Vaswani et al. 2017.
 */
export function attention(ctx: Params, x: Tensor, name: string, heads: number, bias?: Tensor, drop = 0): Tensor {
  const size = x.shape[2]! / heads
  const split = (part: string) =>
    reshape(dense(ctx, x, `${name}.${part}`, x.shape[2]!), [0, 0, heads, size], `${name}.${part}.heads`)
  const query = split('query')
    .transpose([0, 2, 1, 3])
    .mul(1 / Math.sqrt(size))
  const key = split('key').transpose([0, 2, 3, 1])
  const value = split('value').transpose([0, 2, 1, 3])
  const scores = query.matmul(key)
  const weights = dropout((bias ? scores.add(bias) : scores).softmax(-1), drop, `${name}.dropout`)
  const joined = reshape(weights.matmul(value).transpose([0, 2, 1, 3]), [0, 0, x.shape[2]!], `${name}.joined`)
  return dense(ctx, joined, `${name}.output`, x.shape[2]!)
}

/** Two linear maps with GELU between them. */
export function feedForward(ctx: Params, x: Tensor, name: string, hidden: number): Tensor {
  return dense(ctx, gelu(dense(ctx, x, `${name}.inner`, hidden), `${name}.gelu`), `${name}.outer`, x.shape[2]!)
}
