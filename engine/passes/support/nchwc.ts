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

/** [N, C, H, W] in the blocked layout under the same logical shape; C is a multiple of the block. */
export const blocked = (x: Tensor): Tensor => source(x) ?? x.emit('ReorderInput', [], {}, nchwc)

/** Back to the plain layout. Positions do not matter where there is one only: then this is the value itself. */
export const plain = (x: Tensor): Tensor => x.emit('ReorderOutput', [], { channels: x.shape[1]! }, nchwc)

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
 * @param x blocked [N, C, H, W]; `scale` and `bias` [C]; `plus` blocked like x
 */
export function perChannel(x: Tensor, scale: Tensor | undefined, bias?: Tensor, plus?: Tensor): Tensor {
  const channels = x.shape[1]!
  const w = scale
    ? scale.reshape([channels, 1, 1, 1])
    : x.b.array('float32', [channels, 1, 1, 1], new Float32Array(channels).fill(1))
  return blockedConv(x, w, { group: channels, bias: bias?.reshape([channels]), plus })
}

/** Mean over the positions of each image and channel: [N, C, 1, 1]. With one position the two layouts are the same. */
export const meanOfPositions = (x: Tensor): Tensor => x.emit('GlobalAveragePool', [], {}, nchwc)

/** Mean over images and positions: [C]. */
export const meanOfChannels = (x: Tensor): Tensor => meanOfPositions(x).mean([0]).reshape([x.shape[1]!])
