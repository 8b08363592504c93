import { TensorData } from '../../ir/index.ts'
import type { Builder, Tensor } from '../../ops/index.ts'

/** A weight on a grid of integers, element by element in the weight's own order: it is (level - zero) scale. */
export interface GridWeight {
  /** Name of the initializer. */
  name: string
  dims: readonly number[]
  values: Float32Array
  scale: Float32Array
  zero: Float32Array
  low: number
  high: number
}

/** Stretch of the rectified sigmoid: it reaches 0 and 1 and has a slope there. Section 3.2 of AdaRound. */
const [GAMMA, ZETA] = [-0.1, 1.1]

/** h(V) = clip(sigmoid(V) (zeta - gamma) + gamma, 0, 1): equation 23. */
export const rectified = (v: Tensor): Tensor =>
  v
    .sigmoid()
    .mul(ZETA - GAMMA)
    .add(GAMMA)
    .clip(0, 1)

/** The same of one number. */
export const rectifiedNumber = (v: number): number => Math.min(1, Math.max(0, (ZETA - GAMMA) / (1 + Math.exp(-v)) + GAMMA))

/** V with h(V) = the part that rounding down cuts off, so that the soft weight starts as the weight itself. */
export function startOf(w: GridWeight): Float32Array {
  return Float32Array.from(w.values, (x, i) => {
    const at = x / w.scale[i]! + w.zero[i]!
    const rest = Math.min(1 - 1e-4, Math.max(1e-4, at - Math.floor(at)))
    return -Math.log((ZETA - GAMMA) / (rest - GAMMA) - 1)
  })
}

/** The weight with soft levels: scale (clip(floor(w / scale + zero) + h(V), low, high) - zero). Equation 22. */
export function softWeight(b: Builder, w: GridWeight, h: Tensor): Tensor {
  const constant = (part: string, data: Float32Array) => b.constant(TensorData.of('float32', w.dims, data), `${w.name}/${part}`)
  const floor = constant('floor', floorsOf(w))
  const zero = constant('zero', w.zero)
  return floor.add(h).clip(w.low, w.high).sub(zero).mul(constant('scale', w.scale))
}

const floorsOf = (w: GridWeight): Float32Array => Float32Array.from(w.values, (x, i) => Math.floor(x / w.scale[i]! + w.zero[i]!))

/** Levels that V decides for: up where h(V) is at least a half. */
export function hardLevels(w: GridWeight, v: Float32Array): Float32Array {
  return floorsOf(w).map((floor, i) => Math.min(w.high, Math.max(w.low, floor + (rectifiedNumber(v[i]!) >= 0.5 ? 1 : 0))))
}

/** The nearest levels. */
export const nearestLevels = (w: GridWeight): Float32Array =>
  Float32Array.from(w.values, (x, i) => Math.min(w.high, Math.max(w.low, Math.round(x / w.scale[i]! + w.zero[i]!))))

/** What levels stand for. */
export const valuesOf = (w: GridWeight, levels: Float32Array): TensorData =>
  TensorData.of('float32', w.dims, levels.map((level, i) => (level - w.zero[i]!) * w.scale[i]!)) // prettier-ignore
