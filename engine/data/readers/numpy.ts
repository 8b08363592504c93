import { DataError } from '../../errors.ts'
import { arrayDataSet } from '../arrayDataSet.ts'
import { arrayTarget } from '../format/arrayTargets.ts'
import { channelsLast, joinBytes } from '../format/arrays.ts'
import { readWhole } from '../format/files.ts'
import { isNpy, parseNpy, type NpyArray } from '../format/npy.ts'
import { arrayOf, readNpz, type Arrays } from '../format/npz.ts'
import { isZip } from '../format/zip.ts'
import { defineReader } from '../reader.ts'
import { isGraphFile } from './graph.ts'
import type { InputSpec, OwnSplits, Range, SharedInput } from '../types.ts'

/** Names that sample and label arrays go by: alone, or per part, as in `x_train` or `train_images`. */
const SAMPLES = ['x', 'images', 'data', 'inputs', 'features', 'arr_0']
const LABELS = ['y', 'labels', 'targets', 'label', 'target', 'arr_1']
const PARTS = { train: ['train'], validation: ['val', 'valid', 'validation'], test: ['test'] } as const

type Part = keyof typeof PARTS

/**
 * NPY (samples alone) and NPZ (samples, targets, parts). Bytes of rank 3 or 4 are images; anything else goes to the model as it is. An NPZ
 * file with none of the usual names holds the inputs of a model that has several, each under its name.
 */
export default defineReader({
  id: 'numpy',
  title: 'an NPY or NPZ file',
  recognises: async (source) =>
    isNpy(source.head) || (isZip(source.head) && /\.npz$/i.test(source.name) && !(await isGraphFile(source))),

  async open({ spec, name, head }, { labels }) {
    const single = isNpy(head) ? parseNpy(await readWhole(spec), spec) : undefined
    const arrays: Arrays = single ? new Map([['x', () => single]]) : await readNpz(spec)
    const format = single ? 'npy' : 'npz'
    const parts = partsOf(arrays)
    if (parts.length === 0) return arrayDataSet({ name, format, ...namedInputs(arrays, spec, labels === 'on') })
    const warnings: string[] = []
    const samples = parts.map(({ x }) => asSamples(arrays.get(x)!(), `${spec}: ${x}`, warnings))
    const shape = samples[0]!.shape
    if (samples.some((part) => String(part.shape) !== String(shape) || part.data.constructor !== samples[0]!.data.constructor)) {
      throw new DataError(`expected one sample shape in all parts, found ${samples.map((s) => `[${s.shape}]`).join(' and ')}`, {
        where: spec,
      })
    }
    const known = labels === 'on' && parts.every((part) => part.y !== undefined)
    const counts = samples.map((part) => part.count)
    const targets = known ? parts.map(({ y }) => arrays.get(y!)!()) : undefined
    return arrayDataSet({
      name,
      format,
      shape,
      data: joinBytes(samples.map((part) => part.data)),
      ...(targets ? arrayTarget(targets, counts, shape, `${spec}: ${parts[0]!.y}`) : {}),
      splits: splitsOf(parts.map((part, i) => [part.part, counts[i]!])),
      warnings: [...new Set(warnings)],
    })
  },
})

function partsOf(arrays: Arrays): { part?: Part; x: string; y?: string }[] {
  const find = (names: readonly string[]) => names.find((name) => arrays.has(name))
  const found: { part?: Part; x: string; y?: string }[] = []
  for (const part of ['train', 'validation', 'test'] as const) {
    const both = (names: readonly string[]) => names.flatMap((n) => PARTS[part].flatMap((p) => [`${n}_${p}`, `${p}_${n}`]))
    const x = find(both(SAMPLES))
    const y = find(both(LABELS))
    if (x !== undefined) found.push({ part, x, ...(y === undefined ? {} : { y }) })
  }
  if (found.length > 0) return found
  const x = find(SAMPLES)
  const y = find(LABELS)
  return x === undefined ? [] : [{ x, ...(y === undefined ? {} : { y }) }]
}

/**
 * Every array but the targets is an input of its own name. Those that lead with the number of samples (which most arrays do) belong to the samples, the
 * others are the same for all.
 */
function namedInputs(arrays: Arrays, where: string, labelled: boolean) {
  const y = LABELS.find((name) => arrays.has(name))
  const names = [...arrays.keys()].filter((name) => name !== y)
  const read = new Map(names.map((name) => [name, arrayOf(arrays, name, where)]))
  const targets = labelled && y !== undefined ? arrayOf(arrays, y, where) : undefined
  const leads = [...read.values(), ...(targets ? [targets] : [])].flatMap(({ dims }) => dims.slice(0, 1))
  const count = targets?.dims[0] ?? mostCommon(leads)
  const own = names.filter((name) => read.get(name)!.dims[0] === count)
  // A lone array of an unknown name is more likely a mistake than an input.
  if (own.length === 0 || count === undefined || names.length + (y === undefined ? 0 : 1) < 2) {
    throw new DataError(
      `expected samples under one of ${SAMPLES.join(', ')} (or x_train, x_test), or arrays named after a model's inputs, found ${names.join(', ') || 'no array'}`,
      { where },
    )
  }
  const parts = own.map((name): InputSpec => ({ name, shape: read.get(name)!.dims.slice(1) }))
  const shared = names.flatMap((name): SharedInput[] => {
    const { dims, data } = read.get(name)!
    return own.includes(name) ? [] : [{ name, shape: dims, values: Float32Array.from(data) }]
  })
  const sizes = parts.map(({ shape }) => shape.reduce((n, d) => n * d, 1))
  const total = sizes.reduce((a, b) => a + b, 0)
  const data = new Float32Array(count * total)
  let start = 0
  own.forEach((name, i) => {
    const from = read.get(name)!.data
    for (let n = 0; n < count; n++) data.set(from.subarray(n * sizes[i]!, (n + 1) * sizes[i]!), n * total + start)
    start += sizes[i]!
  })
  const target = targets && arrayTarget([targets], [count], parts[0]!.shape, `${where}: ${y}`)
  return { shape: [total], data, parts, shared, ...target }
}

function mostCommon(values: readonly number[]): number | undefined {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0]?.[0]
}

/** Parts become splits when there is something to train on and something to judge by; validation alone is judged by. */
function splitsOf(parts: [Part | undefined, number][]): OwnSplits | undefined {
  let at = 0
  const ranges: Partial<Record<Part, Range>> = {}
  for (const [part, count] of parts) if (part) ranges[part] = [at, (at += count)]
  const { train, validation, test } = ranges
  if (!train || !(test ?? validation)) return undefined
  return { train, test: (test ?? validation)!, ...(test && validation ? { validation } : {}) }
}

function asSamples({ dims, type, data }: NpyArray, where: string, warnings: string[]) {
  if (dims.length === 0) throw new DataError('expected an array of samples, found a single number', { where })
  const count = dims[0]!
  const inner = dims.slice(1)
  if (type === 'u1' && data instanceof Uint8Array) {
    if (inner.length === 2) return { count, shape: [...inner, 1], data }
    const [a = 0, b = 0, c = 0] = inner
    const isChannels = (n: number) => n === 1 || n === 3
    if (inner.length === 3 && isChannels(c)) {
      if (isChannels(a)) warnings.push(`samples of shape [${inner.join(', ')}] were taken for height, width, channels`)
      return { count, shape: inner, data }
    }
    if (inner.length === 3 && isChannels(a)) return { count, shape: [b, c, a], data: channelsLast(data, count, a, b * c) }
  }
  return { count, shape: inner, data: data instanceof Float32Array ? data : Float32Array.from(data) }
}
