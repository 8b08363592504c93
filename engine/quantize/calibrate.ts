import { OptionError } from '../errors.ts'
import { tensorType, type Model, type ValueInfo } from '../ir/index.ts'
import { createSession, type Feeds } from '../session/index.ts'
import { cloneModel } from '../passes/index.ts'
import { Histogram } from './histogram.ts'
import { decibels } from './weights.ts'

/** Batches of feeds from the start, as often as asked. */
export type Samples = () => AsyncIterable<Feeds>

export interface RunOptions {
  threads?: number | undefined
  signal?: AbortSignal | undefined
  /** Called after each batch with the number of samples done (the first input's first dimension). */
  onProgress?: ((samples: number) => void) | undefined
}

const typeOf = (value: ValueInfo | undefined) => (value?.type?.kind === 'tensor' ? value.type.dtype : undefined)

/** The model with further values as outputs; of float32 where the graph does not say otherwise. */
export function withOutputs(model: Model, names: Iterable<string>): Model {
  const copy = cloneModel(model)
  const { graph } = copy
  const inputs = new Set(graph.inputs.map((v) => v.name))
  for (const name of names)
    if (!inputs.has(name) && !graph.outputs.some((v) => v.name === name))
      graph.outputs.push({ name, type: tensorType(typeOf(graph.values.get(name)) ?? 'float32') })
  return copy
}

/** Runs the float model over samples and collects the distribution of each named value. */
export async function observe(
  model: Model,
  names: ReadonlySet<string>,
  samples: Samples,
  options: RunOptions = {},
): Promise<Map<string, Histogram>> {
  const seen = new Map([...names].map((name) => [name, new Histogram()]))
  const session = await createSession(withOutputs(model, names), { threads: options.threads, name: 'calibration' })
  try {
    const fetches = session.outputs.map((p) => p.name).filter((name) => names.has(name))
    let done = 0
    for await (const feeds of samples()) {
      options.signal?.throwIfAborted()
      const values = await session.run(feeds, fetches.length > 0 ? fetches : undefined)
      for (const [name, histogram] of seen) histogram.add((values[name] ?? feeds[name]!).data as Float32Array)
      done += Object.values(feeds)[0]?.dims[0] ?? 1
      options.onProgress?.(done)
    }
    if (done === 0) throw new OptionError('expected at least one calibration sample, found none', { where: 'calibrationSamples' })
  } finally {
    await session.release()
  }
  return seen
}

/**
 * Signal to quantization noise in dB of each named value: the float model's numbers against the difference to the quantized model's,
 * summed over all samples. The errors of all layers before are in it. undefined where the value is constant zero.
 */
export async function compare(
  float: Model,
  quantized: Model,
  names: ReadonlySet<string>,
  samples: Samples,
  options: RunOptions = {},
): Promise<Map<string, number | undefined>> {
  const sums = new Map([...names].map((name) => [name, { signal: 0, noise: 0 }]))
  const open = (model: Model, name: string) => createSession(withOutputs(model, names), { threads: options.threads, name })
  const [a, b] = [await open(float, 'float model'), await open(quantized, 'quantized model')]
  try {
    for await (const feeds of samples()) {
      options.signal?.throwIfAborted()
      const fetches = [...names]
      const expected = await a.run(feeds, fetches)
      const found = await b.run(feeds, fetches)
      for (const [name, sum] of sums) {
        const p = expected[name]!.numbers()
        const q = found[name]!.numbers()
        for (let i = 0; i < p.length; i++) {
          sum.signal += p[i]! ** 2
          sum.noise += (p[i]! - q[i]!) ** 2
        }
      }
    }
  } finally {
    await a.release()
    await b.release()
  }
  return new Map([...sums].map(([name, { signal, noise }]) => [name, signal === 0 ? undefined : decibels(signal, noise)]))
}
