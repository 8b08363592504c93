import type { Graph, Shape, ValueInfo } from '../ir/index.ts'
import { allocate, sizeOf, type DataType } from '../ir/index.ts'
import { random } from '../random.ts'
import { Value, type Feeds } from '../session/index.ts'

/** Inputs that must be fed: those of a graph without the ones that an initializer gives a default. */
export const fedInputs = (graph: Graph): ValueInfo[] => graph.inputs.filter((v) => !graph.initializers.has(v.name))

/** Sizes given to dimensions of unknown length, tried in this order; most models take the first. */
export const TRIAL_SIZES = [8, 1, 16, 32, 64, 128, 224, 256, 512, 1024] as const

const BATCH = /batch|^n$|^b$/i
const LENGTH = /seq|len|time|frame|node|token|edge|past|step/i

/**
 * Shapes to feed: symbolic dimensions named like a batch (or leading and not named like a length) take `batch`, those of a past
 * (cached keys and values of a decoder) 0, all others `size`. An input of unknown rank is fed one element.
 */
export function bindDims(graph: Graph, size: number, batch: number): Map<string, readonly number[]> {
  const bound = new Map<string, number>()
  const one = (dim: number | string, axis: number, input: string): number => {
    if (typeof dim === 'number') return dim
    const key = dim === '' ? `${input}:${axis}` : dim
    let n = bound.get(key)
    if (n === undefined) {
      if (BATCH.test(dim) || (axis === 0 && !LENGTH.test(dim))) n = batch
      else if (/past/i.test(dim) && !/total/i.test(dim)) n = 0
      else n = size
      bound.set(key, n)
    }
    return n
  }
  return new Map(fedInputs(graph).map((v) => [v.name, (shapeOf(v) ?? [1]).map((d, axis) => one(d, axis, v.name))]))
}

export const shapeOf = (value: ValueInfo): Shape | undefined => (value.type?.kind === 'tensor' ? value.type.shape : undefined)
export const dtypeOf = (value: ValueInfo): DataType | undefined => (value.type?.kind === 'tensor' ? value.type.dtype : undefined)
export const isSymbolic = (graph: Graph): boolean =>
  fedInputs(graph).some((v) => shapeOf(v)?.some((d) => typeof d === 'string') ?? true)

/**
 * Random values that most models accept: floats uniform in [0, 1), integers 0 (a valid index everywhere), masks and booleans 1.
 * Undefined when an input is not a tensor that can be fed.
 */
export function sampleFeeds(graph: Graph, dims: ReadonlyMap<string, readonly number[]>, seed = 0): Feeds | undefined {
  const feeds: Record<string, Value> = {}
  for (const input of fedInputs(graph)) {
    const dtype = dtypeOf(input)
    const shape = dims.get(input.name)
    if (!dtype || !shape) return undefined
    if (dtype === 'string') {
      feeds[input.name] = Value.strings(shape, new Array<string>(sizeOf(shape)).fill(''))
      continue
    }
    const stream = random(seed, 'sample', input.name)
    try {
      const values = allocate(dtype, sizeOf(shape))
      if (values instanceof Float32Array || values instanceof Float64Array) stream.fillUniform(values)
      else if (dtype === 'float16')
        values.fill(0x3800 as never) // 0.5
      else if (dtype === 'bool' || /mask/i.test(input.name)) values.fill((typeof values[0] === 'bigint' ? 1n : 1) as never)
      else if (/^sr$|rate/i.test(input.name)) values.fill((typeof values[0] === 'bigint' ? 16000n : 16000) as never)
      feeds[input.name] = Value.of(dtype, shape, values)
    } catch {
      return undefined // an element type without a typed array
    }
  }
  return feeds
}
