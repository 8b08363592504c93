import { TensorData } from '../ir/index.ts'
import { random, type Random } from '../random.ts'

/** Fills a new parameter. `values` are row-major, in float32. */
export type Initialiser = (shape: readonly number[], stream: Random) => Float32Array

export interface FanOptions {
  /** Which side keeps its variance: 'in' the forward pass, 'out' the backward pass. */
  fan?: 'in' | 'out'
  /** Groups of a convolution; the weight's own shape already has the inputs of one group only. */
  groups?: number
  /** sqrt(2) for ReLU and kin, 1 for linear maps. */
  gain?: number
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1)

/** Connections into and out of one unit, for a weight [out, in / groups, kernel...]. */
export function fans(shape: readonly number[], groups = 1): { in: number; out: number } {
  const kernel = sizeOf(shape.slice(2))
  return { in: (shape[1] ?? 1) * kernel, out: ((shape[0] ?? 1) * kernel) / groups }
}

/** N(0, gain^2 / fan). He et al. 2015, arXiv:1502.01852. */
export const kaimingNormal =
  ({ fan = 'in', groups = 1, gain = Math.SQRT2 }: FanOptions = {}): Initialiser =>
  (shape, stream) =>
    stream.fillNormal(new Float32Array(sizeOf(shape)), 0, gain / Math.sqrt(fans(shape, groups)[fan]))

/** U(-r, r) with r = gain sqrt(3 / fan): the variance of `kaimingNormal`. */
export const kaimingUniform =
  ({ fan = 'in', groups = 1, gain = Math.SQRT2 }: FanOptions = {}): Initialiser =>
  (shape, stream) => {
    const r = gain * Math.sqrt(3 / fans(shape, groups)[fan])
    return stream.fillUniform(new Float32Array(sizeOf(shape)), -r, r)
  }

/** N(0, 2 gain^2 / (in + out)). Glorot and Bengio 2010. */
export const xavierNormal =
  ({ groups = 1, gain = 1 }: Omit<FanOptions, 'fan'> = {}): Initialiser =>
  (shape, stream) => {
    const f = fans(shape, groups)
    return stream.fillNormal(new Float32Array(sizeOf(shape)), 0, gain * Math.sqrt(2 / (f.in + f.out)))
  }

/** U(-r, r) with r = gain sqrt(6 / (in + out)): the variance of `xavierNormal`. */
export const xavierUniform =
  ({ groups = 1, gain = 1 }: Omit<FanOptions, 'fan'> = {}): Initialiser =>
  (shape, stream) => {
    const f = fans(shape, groups)
    const r = gain * Math.sqrt(6 / (f.in + f.out))
    return stream.fillUniform(new Float32Array(sizeOf(shape)), -r, r)
  }

/** U(-r, r). */
export const uniform =
  (r: number): Initialiser =>
  (shape, stream) =>
    stream.fillUniform(new Float32Array(sizeOf(shape)), -r, r)

/** N(0, deviation^2) without what lies beyond two deviations: such draws are repeated. */
export const truncatedNormal =
  (deviation: number): Initialiser =>
  (shape, stream) => {
    const values = stream.fillNormal(new Float32Array(sizeOf(shape)), 0, deviation)
    for (const [i, v] of values.entries()) {
      if (Math.abs(v) <= 2 * deviation) continue
      const again = stream.fork('again', i)
      let at = 0
      let drawn = again.normal(at)
      while (Math.abs(drawn) > 2) drawn = again.normal(++at)
      values[i] = deviation * drawn
    }
    return values
  }

export const constant =
  (value: number): Initialiser =>
  (shape) =>
    new Float32Array(sizeOf(shape)).fill(value)

export const zeros: Initialiser = constant(0)
export const ones: Initialiser = constant(1)

/** A parameter's first value: a pure function of seed and name, whatever else the model holds. */
export const initialise = (seed: number, name: string, shape: readonly number[], init: Initialiser): TensorData =>
  TensorData.of('float32', shape, init(shape, random(seed, 'init', name)))
