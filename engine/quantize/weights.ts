import { allocate, sizeOf, TensorData } from '../ir/index.ts'
import { clampTo, type Grid } from './scheme.ts'

export interface QuantizedWeight {
  values: TensorData
  /** One for each channel, or a single one for the tensor (dims []). */
  scale: TensorData
  zero: TensorData
  /** Signal to quantization noise of the weight, dB; Infinity where nothing is lost. */
  sqnr: number
}

/**
 * Rounds a weight symmetrically around 0.
 * `axis` is the axis with one scale each; undefined: one scale for all. `least` gives the smallest scale that a channel may have, `steps` the scales
 * where they are known; otherwise they cover the largest weight. `levels` are integers that were chosen otherwise.
 */
export function quantizeWeight(
  weight: TensorData,
  axis: number | undefined,
  grid: Grid,
  least?: (channel: number) => number,
  steps?: Float32Array,
  levels?: Float32Array,
): QuantizedWeight {
  const values = weight.numbers()
  const zero = (grid.low + grid.high) / 2
  const half = grid.high - zero
  const channels = axis === undefined ? 1 : weight.dims[axis]!
  const inner = axis === undefined ? values.length : sizeOf(weight.dims.slice(axis + 1))
  const channelOf = (i: number) => Math.floor(i / inner) % channels
  const largest = new Float64Array(channels)
  for (let i = 0; i < values.length; i++) largest[channelOf(i)] = Math.max(largest[channelOf(i)]!, Math.abs(values[i]!))
  const scale = Float32Array.from(largest, (size, c) => Math.max(steps?.[c] ?? size / half, least?.(c) ?? 0) || 1)
  const out = allocate(grid.dtype, values.length)
  let [signal, noise] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    const s = scale[channelOf(i)]!
    const level = levels?.[i] ?? clampTo(grid, values[i]! / s + zero)
    out[i] = level
    signal += values[i]! ** 2
    noise += (values[i]! - (level - zero) * s) ** 2
  }
  const dims = axis === undefined ? [] : [channels]
  return {
    values: TensorData.of(grid.dtype, weight.dims, out),
    scale: TensorData.of('float32', dims, scale),
    zero: TensorData.from(grid.dtype, dims, new Array<number>(channels).fill(zero)),
    sqnr: decibels(signal, noise),
  }
}

/**
 * A bias as the integer kernels add it: int32, scale = input scale x weight scale, no zero point.
 * @returns the bias for each of `channels`, and its scale
 */
export function quantizeBias(
  bias: TensorData,
  channels: number,
  inputScale: number,
  weightScale: TensorData,
): { values: TensorData; scale: TensorData } {
  const real = bias.numbers()
  const weights = weightScale.numbers()
  const scale = Float32Array.from(weights, (s) => s * inputScale)
  const limit = { low: -(2 ** 31) + 1, high: 2 ** 31 - 1 }
  const values = Int32Array.from({ length: channels }, (_, c) =>
    clampTo(limit, real[real.length === 1 ? 0 : c]! / scale[scale.length === 1 ? 0 : c]!),
  )
  return { values: TensorData.of('int32', [channels], values), scale: TensorData.of('float32', weightScale.dims, scale) }
}

/**
 * Smallest weight scale with which a bias still fits into 32 bits with room for the products, and, for a channel without weights,
 * one with which the bias is exact to 2^-20.
 */
export const leastScale = (bias: TensorData | undefined, inputScale: number): ((channel: number) => number) | undefined => {
  if (!bias) return undefined
  const real = bias.numbers()
  return (c) => Math.abs(real[real.length === 1 ? 0 : c]!) / (inputScale * 2 ** 28)
}

/** The same for weights with one scale each, or with one for all, which then has to serve the largest bias. */
export function leastScales(
  bias: TensorData | undefined,
  inputScale: number,
  channels: number,
  perChannel: boolean,
): ((channel: number) => number) | undefined {
  const least = leastScale(bias, inputScale)
  if (perChannel || !least) return least
  const all = Array.from({ length: channels }, (_, c) => least(c)).reduce((a, b) => Math.max(a, b), 0)
  return () => all
}

/** 10 log10(signal / noise); Infinity without noise, undefined signal counts as 0 dB at best. */
export const decibels = (signal: number, noise: number): number => (noise === 0 ? Infinity : 10 * Math.log10(signal / noise))
