import type { AttrKind } from '../attrs.ts'
import { int, ints, string } from '../attrs.ts'

/** Attributes that convolutions and pools share. */
export const spatialAttrs = {
  auto_pad: string('NOTSET'),
  kernel_shape: ints(),
  strides: ints(),
  dilations: ints(),
  pads: ints(),
} satisfies Record<string, AttrKind<unknown>>

export const convAttrs = { ...spatialAttrs, group: int(1) }

export interface SpatialAttrs {
  readonly auto_pad: string
  readonly kernel_shape: readonly number[] | undefined
  readonly strides: readonly number[] | undefined
  readonly dilations: readonly number[] | undefined
  readonly pads: readonly number[] | undefined
}

/** Resolved geometry of a sliding window: explicit pads, filled defaults, output size. Lists have one entry a spatial axis. */
export interface Geometry {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Begin pads. */
  readonly begin: readonly number[]
  /** End pads as the attributes give them. */
  readonly end: readonly number[]
  readonly out: readonly number[]
}

/** Geometry of a window over spatial sizes `size`. Source: ONNX Conv-11 and MaxPool-12, `auto_pad` and `ceil_mode`. */
export function geometry(size: readonly number[], kernelOf: readonly number[], a: SpatialAttrs, ceil = false): Geometry {
  const n = size.length
  const kernel = a.kernel_shape ?? kernelOf
  const strides = a.strides ?? Array<number>(n).fill(1)
  const dilations = a.dilations ?? Array<number>(n).fill(1)
  const begin: number[] = []
  const end: number[] = []
  const out: number[] = []
  for (let i = 0; i < n; i++) {
    const extent = (kernel[i]! - 1) * dilations[i]! + 1
    if (a.auto_pad === 'SAME_UPPER' || a.auto_pad === 'SAME_LOWER') {
      const o = Math.ceil(size[i]! / strides[i]!)
      const total = Math.max(0, (o - 1) * strides[i]! + extent - size[i]!)
      const small = Math.floor(total / 2)
      begin.push(a.auto_pad === 'SAME_UPPER' ? small : total - small)
      end.push(total - begin[i]!)
      out.push(o)
      continue
    }
    const explicit = a.auto_pad === 'VALID' ? undefined : a.pads
    begin.push(explicit?.[i] ?? 0)
    end.push(explicit?.[i + n] ?? 0)
    const room = (size[i]! + begin[i]! + end[i]! - extent) / strides[i]!
    let o = (ceil ? Math.ceil(room) : Math.floor(room)) + 1
    // A window that would start in the end padding is dropped.
    if (ceil && (o - 1) * strides[i]! >= size[i]! + begin[i]!) o--
    out.push(o)
  }
  return { kernel, strides, dilations, begin, end, out }
}

/** The attributes of a private convolution operator with this geometry. */
export const explicit = (g: Geometry, group: number) => ({
  kernel_shape: g.kernel,
  strides: g.strides,
  dilations: g.dilations,
  pads: [...g.begin, ...g.end],
  group,
})

/** Calls `visit` for every tap of the kernel, in row-major order, with its coordinates. */
export function taps(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>((list, k) => list.flatMap((t) => Array.from({ length: k }, (_, i) => [...t, i])), [[]])
}
