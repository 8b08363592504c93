import { DataError } from '../../errors.ts'
import { arrayDataSet } from '../arrayDataSet.ts'
import { channelsLast, joinBytes } from '../format/arrays.ts'
import { readWhole } from '../format/files.ts'
import { isNpy, parseNpy, type NpyArray } from '../format/npy.ts'
import { isZip, zipMembers } from '../format/zip.ts'
import { defineReader } from '../reader.ts'
import { isGraphFile } from './graph.ts'
import type { OwnSplits, Range } from '../types.ts'

/** Names that sample and label arrays go by: alone, or per part, as in `x_train` or `train_images`. */
const SAMPLES = ['x', 'images', 'data', 'inputs', 'features', 'arr_0']
const LABELS = ['y', 'labels', 'targets', 'label', 'arr_1']
const PARTS = { train: ['train'], validation: ['val', 'valid', 'validation'], test: ['test'] } as const

type Part = keyof typeof PARTS
type Arrays = Map<string, () => NpyArray>

/** NPY (samples alone) and NPZ (samples, labels, parts). Bytes of rank 3 or 4 are images; anything else goes to the model as it is. */
export default defineReader({
  id: 'numpy',
  title: 'an NPY or NPZ file',
  recognises: async (source) =>
    isNpy(source.head) || (isZip(source.head) && /\.npz$/i.test(source.name) && !(await isGraphFile(source))),

  async open({ spec, name, head }, { labels }) {
    const bytes = await readWhole(spec)
    const arrays: Arrays = new Map()
    if (isNpy(head)) arrays.set('x', () => parseNpy(bytes, spec))
    else {
      for (const member of zipMembers(bytes, spec)) {
        arrays.set(member.name.replace(/\.npy$/, '').toLowerCase(), () => parseNpy(member.read(), `${spec}: ${member.name}`))
      }
    }
    const parts = partsOf(arrays, spec)
    const warnings: string[] = []
    const samples = parts.map(({ x }) => asSamples(arrays.get(x)!(), `${spec}: ${x}`, warnings))
    const shape = samples[0]!.shape
    if (samples.some((part) => String(part.shape) !== String(shape) || part.data.constructor !== samples[0]!.data.constructor)) {
      throw new DataError(`expected one sample shape in all parts, found ${samples.map((s) => `[${s.shape}]`).join(' and ')}`, {
        where: spec,
      })
    }
    const known = labels === 'on' && parts.every((part) => part.y !== undefined)
    const classes = known ? parts.map(({ y }, i) => asLabels(arrays.get(y!)!(), samples[i]!.count, `${spec}: ${y}`)) : undefined
    return arrayDataSet({
      name,
      format: isNpy(head) ? 'npy' : 'npz',
      shape,
      data: joinBytes(samples.map((part) => part.data)),
      labels: classes && Int32Array.from(classes.flatMap((part) => Array.from(part))),
      splits: splitsOf(parts.map((part, i) => [part.part, samples[i]!.count])),
      warnings: [...new Set(warnings)],
    })
  },
})

function partsOf(arrays: Arrays, where: string): { part?: Part; x: string; y?: string }[] {
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
  if (x === undefined) {
    throw new DataError(
      `expected samples under one of ${SAMPLES.join(', ')} (or x_train, x_test), found ${[...arrays.keys()].join(', ') || 'no array'}`,
      {
        where,
      },
    )
  }
  return [{ x, ...(y === undefined ? {} : { y }) }]
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

/** Class numbers: [n] or [n, 1] whole numbers. */
function asLabels({ dims, data }: NpyArray, count: number, where: string): Int32Array {
  if (dims[0] !== count || dims.slice(1).some((d) => d !== 1)) {
    throw new DataError(`expected ${count} class numbers, found shape [${dims.join(', ')}]`, {
      where,
      hint: 'labels off ignores them',
    })
  }
  for (const [i, value] of data.entries()) {
    if (!Number.isInteger(value) || Math.abs(value) > 2 ** 31 - 1) {
      throw new DataError(`label ${i}: expected a class number, found ${value}`, { where, hint: 'labels off ignores them' })
    }
  }
  return Int32Array.from(data)
}
