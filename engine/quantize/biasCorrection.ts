import { getInt, sizeOf, TensorData, type Model, type Node } from '../ir/index.ts'
import { createSession } from '../session/index.ts'
import { withOutputs, type RunOptions, type Samples } from './calibrate.ts'
import type { Plan } from './plan.ts'
import type { QuantizedWeight } from './weights.ts'

/** Per channel of a value, over samples. */
export interface ChannelProfile {
  mean: Float64Array
  /** Largest magnitude. */
  largest: Float64Array
}

/**
 * Mean and largest magnitude of each channel of some values; memory does not grow with the samples.
 * @param axes the channel axis of each value, negative from the end
 */
export async function profileChannels(
  model: Model,
  axes: ReadonlyMap<string, number>,
  samples: Samples,
  o: RunOptions = {},
): Promise<Map<string, ChannelProfile>> {
  const session = await createSession(withOutputs(model, axes.keys()), { threads: o.threads, name: 'calibration' })
  const sums = new Map<string, { sum: Float64Array; largest: Float64Array; count: number }>()
  try {
    const fetches = session.outputs.map((p) => p.name).filter((name) => axes.has(name))
    for await (const feeds of samples()) {
      o.signal?.throwIfAborted()
      const values = fetches.length ? await session.run(feeds, fetches) : {}
      for (const [name, axis] of axes) {
        const { dims, data } = (values[name] ?? feeds[name])!
        const at = axis < 0 ? axis + dims.length : axis
        const channels = dims[at]!
        const inner = sizeOf(dims.slice(at + 1))
        const s = sums.get(name) ?? { sum: new Float64Array(channels), largest: new Float64Array(channels), count: 0 }
        const x = data as Float32Array
        for (let i = 0; i < x.length; i++) {
          const c = Math.floor(i / inner) % channels
          s.sum[c]! += x[i]!
          const size = Math.abs(x[i]!)
          if (size > s.largest[c]!) s.largest[c] = size
        }
        s.count += x.length / channels
        sums.set(name, s)
      }
    }
  } finally {
    await session.release()
  }
  return new Map([...sums].map(([name, { sum, largest, count }]) => [name, { mean: sum.map((v) => v / Math.max(1, count)), largest }])) // prettier-ignore
}

/** Mean of each channel that each layer of a plan reads, by the layer's output. */
export async function inputMeans(
  model: Model,
  { layers }: Plan,
  samples: Samples,
  o: RunOptions = {},
): Promise<Map<string, Float64Array>> {
  const chosen = layers.filter((l) => l.reason === undefined)
  const axes = new Map(chosen.map((l) => [l.node.inputs[0]!, l.node.op === 'Conv' ? 1 : -1]))
  const profiles = await profileChannels(model, axes, samples, o)
  return new Map(chosen.flatMap((l) => {
    const profile = profiles.get(l.node.inputs[0]!)
    return profile ? [[l.output, profile.mean] as const] : []
  })) // prettier-ignore
}

/**
 * The bias that brings a layer's mean output back to what it was before its weight was rounded: b - (W~ - W) E[x], the sum over the taps of a
 * convolution being taken as if there was no padding. Source: Nagel et al. 2019, arXiv:1906.04721, section 4.2, equation 17, with E[x] from samples.
 */
export function correctedBias(
  bias: TensorData | undefined,
  { weight, axis, quantized, node }: { weight: TensorData; axis: number; quantized: QuantizedWeight; node: Node },
  mean: Float64Array,
): TensorData {
  const channels = weight.dims[axis]!
  const inner = sizeOf(weight.dims.slice(axis + 1))
  const real = weight.numbers()
  const levels = quantized.values.numbers()
  const [scale, zero] = [quantized.scale.numbers(), quantized.zero.numbers()]
  const shift = new Float64Array(channels)
  const perGroup = channels / (node.op === 'Conv' ? getInt(node, 'group', 1) : 1)
  const taps = sizeOf(weight.dims.slice(2))
  for (let i = 0; i < real.length; i++) {
    const c = Math.floor(i / inner) % channels
    const s = scale[scale.length === 1 ? 0 : c]!
    const error = (levels[i]! - zero[zero.length === 1 ? 0 : c]!) * s - real[i]!
    // Which input channel this number of the weight multiplies.
    const own = node.op === 'Conv' ? Math.floor(c / perGroup) * weight.dims[1]! + (Math.floor(i / taps) % weight.dims[1]!) : axis === 0 ? i % inner : Math.floor(i / inner / channels) // prettier-ignore
    shift[c]! += error * mean[own]!
  }
  const old = bias?.numbers()
  const values = Float32Array.from(shift, (v, c) => (old ? old[old.length === 1 ? 0 : c]! : 0) - v)
  return TensorData.of('float32', [channels], values)
}
