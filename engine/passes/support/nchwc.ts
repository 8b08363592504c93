import type { Tensor } from '../../ops/index.ts'
import { nchwcDomain } from '../../ops/rules/nchwc.ts'
import type { LoweringContext } from '../lowering.ts'

/**
 * ONNX Runtime's blocked layout: a value of logical shape [N, C, H, W] is stored as [N, C/B, H, W, B]. Reshaped to that, it is an ordinary
 * tensor. ONNX Runtime blocks by itself only what has constant weights, which a training step has not, so lowerings write the kernels of
 * this domain. Each answers `plain(blocked result)`, and the next one asks `blocked(value)`: the pair disappears, so a chain of blocked
 * operators stays blocked and only values that something else reads are reordered.
 */
export const nchwc = { domain: nchwcDomain } as const

/** Whether blocked kernels can be used here at all. A block size other than the machine's is silently wrong, hence the probe in `target`. */
export const canBlock = ({ target }: LoweringContext, x: Tensor): boolean =>
  target.provider === 'cpu' && target.block > 1 && x.dtype === 'float32' && x.rank === 4

/** The blocked value behind a plain one, where there is one. */
export function source(x: Tensor | undefined): Tensor | undefined {
  if (!x || x.step < 0) return undefined
  const { node, inputs } = x.b.steps[x.step]!
  return node.op === 'ReorderOutput' && node.domain === nchwcDomain ? inputs[0] : undefined
}

/** Channels in whole blocks. */
export const wholeBlocks = (channels: number, block: number): number => Math.ceil(channels / block) * block

/** Adds zeros at the end of axes until they have the given sizes. */
export function grown(x: Tensor, to: Readonly<Record<number, number>>): Tensor {
  const more = x.shape.map((d, i) => (to[i] ?? d) - d)
  return more.every((m) => m === 0) ? x : x.pad([...x.shape.map(() => 0), ...more])
}

/**
 * [N, C, H, W] in the blocked layout under its logical shape. Channels are filled up to whole blocks: [N, wholeBlocks(C), H, W]; what stands in the
 * added ones is finite and never reaches a plain value.
 */
export const blocked = (x: Tensor, block: number): Tensor =>
  source(x) ?? grown(x, { 1: wholeBlocks(x.shape[1]!, block) }).emit('ReorderInput', [], {}, nchwc)

/** The first `channels` channels in the plain layout. */
export const plain = (x: Tensor, channels: number): Tensor => x.emit('ReorderOutput', [], { channels }, nchwc)

export interface BlockedConvOptions {
  strides?: readonly number[]
  dilations?: readonly number[]
  /** Begin, then end. */
  pads?: readonly number[]
  group?: number
  bias?: Tensor | undefined
  /** Added to the result. */
  plus?: Tensor | undefined
}

/** The blocked convolution kernel. `x` and `plus` are blocked, `w` is stored as the kernel wants it under its logical shape. */
export const blockedConv = (x: Tensor, w: Tensor, o: BlockedConvOptions = {}): Tensor =>
  x.emit(
    'Conv',
    o.plus ? [w, o.bias, o.plus] : o.bias ? [w, o.bias] : [w],
    {
      kernel_shape: w.shape.slice(2),
      strides: o.strides ?? [1, 1],
      dilations: o.dilations ?? [1, 1],
      pads: o.pads ?? [0, 0, 0, 0],
      group: o.group ?? 1,
    },
    nchwc,
  )

/**
 * x * scale[c] + bias[c] + plus in one pass of the depthwise kernel, which uses all threads where a broadcast Mul would run over rows of one block.
 * @param x blocked [N, C, H, W]; `scale` and `bias` hold at most C numbers, zeros follow; `plus` is blocked like x
 */
export function perChannel(x: Tensor, scale: Tensor | undefined, bias?: Tensor, plus?: Tensor): Tensor {
  const channels = x.shape[1]!
  const vector = (v: Tensor) => grown(v.reshape([v.size]), { 0: channels })
  const w = scale ? vector(scale) : x.b.array('float32', [channels], new Float32Array(channels).fill(1))
  return blockedConv(x, w.reshape([channels, 1, 1, 1]), { group: channels, bias: bias && vector(bias), plus })
}

/** Mean over the positions of each image and channel: [N, C, 1, 1]. With one position the two layouts are the same. */
export function meanOfPositions(x: Tensor, channels: number): Tensor {
  const mean = x.emit('GlobalAveragePool', [], {}, nchwc)
  return channels === x.shape[1] ? mean : mean.slice([0], [channels], [1])
}

/** Mean over images and positions: [C]. */
export function meanOfChannels(x: Tensor, channels: number): Tensor {
  const mean = x.emit('GlobalAveragePool', [], {}, nchwc).mean([0]).reshape([x.shape[1]!])
  return channels === x.shape[1] ? mean : mean.slice([0], [channels], [0])
}
