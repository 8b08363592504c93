import { sameShape, showShape, type DataType } from '../../ir/index.ts'
import type { Tensor } from '../tensor.ts'
import type { TensorType } from '../rule.ts'

/** Smallest and largest number that each quantized type holds. The float types are symmetric. */
export const QUANTIZED: Partial<Record<DataType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int4: [-8, 7],
  uint4: [0, 15],
  int2: [-2, 1],
  uint2: [0, 3],
  float8e4m3fn: [-448, 448],
  float8e4m3fnuz: [-240, 240],
  float8e5m2: [-57344, 57344],
  float8e5m2fnuz: [-57344, 57344],
  float4e2m1: [-6, 6],
}

/** How scales lie over data: one for all, one for each position of an axis, or one for each block along an axis. */
export interface Layout {
  readonly axis: number
  /** Elements of a block; 0 where there are none. */
  readonly block: number
}

/** The layout of scales over data. Errors: through `fail`, where the shapes do not fit. */
export function layoutOf(x: TensorType, scale: TensorType, axis: number, block: number, fail: (message: string) => never): Layout {
  const at = axis < 0 ? axis + x.shape.length : axis
  const size = scale.shape.reduce((n, d) => n * d, 1)
  if (scale.shape.length <= 1 && size === 1) return { axis: at, block: 0 }
  if (at < 0 || at >= x.shape.length) fail(`axis ${axis} is outside of ${showShape(x.shape)}`)
  if (block === 0) {
    if (!sameShape(scale.shape, [x.shape[at]!])) fail(`${showShape(scale.shape)} scales for axis ${axis} of ${showShape(x.shape)}`)
    return { axis: at, block: 0 }
  }
  const wanted = x.shape.map((d, i) => (i === at ? Math.ceil(d / block) : d))
  if (!sameShape(scale.shape, wanted))
    fail(`scales ${showShape(scale.shape)} for blocks of ${block}, expected ${showShape(wanted)}`)
  return { axis: at, block }
}

/** Scales (or zero points) broadcast over data of shape `to`. */
export function spread(t: Tensor, to: readonly number[], { axis, block }: Layout): Tensor {
  if (t.size === 1) return t.reshape([])
  if (block === 0) return t.reshape(to.map((_, i) => (i === axis ? t.size : 1)))
  const blocks = t.shape[axis]!
  const repeated = [...t.shape.slice(0, axis + 1), block, ...t.shape.slice(axis + 1)]
  const wide = t
    .unsqueeze([axis + 1])
    .expand(repeated)
    .reshape(t.shape.map((d, i) => (i === axis ? blocks * block : d)))
  return blocks * block === to[axis] ? wide : wide.slice([0], [to[axis]!], [axis])
}

/** The transpose of `spread`: sums data over what shares a scale of shape `to`. */
export function gatherSums(d: Tensor, to: readonly number[], { axis, block }: Layout): Tensor {
  if (to.reduce((n, e) => n * e, 1) === 1) return d.sum().reshape(to)
  if (block === 0) return d.sum(d.shape.map((_, i) => i).filter((i) => i !== axis)).reshape(to)
  const blocks = to[axis]!
  const missing = blocks * block - d.shape[axis]!
  const pads = Array.from({ length: 2 * d.rank }, (_, i) => (i === d.rank + axis ? missing : 0))
  const whole = missing ? d.pad(pads) : d
  return whole.reshape([...to.slice(0, axis + 1), block, ...to.slice(axis + 1)]).sum([axis + 1])
}
