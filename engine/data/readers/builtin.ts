import { createHash } from 'node:crypto'
import { z } from 'zod'
import { OptionError } from '../../errors.ts'
import { random, type Random } from '../../random.ts'
import { drawGlyph, GLYPH_NAMES } from '../builtin/glyphs.ts'
import { drawShape, SHAPE_NAMES } from '../builtin/shapes.ts'
import { BUILTIN_PREFIX, defineReader } from '../reader.ts'
import type { DataSet } from '../types.ts'

type Draw = (label: number, size: number, channels: number, difficulty: number, random: Random, out: Uint8Array) => void

const SETS: Record<string, { names: readonly string[]; draw: Draw; size: number; channels: 1 | 3 }> = {
  glyphs: { names: GLYPH_NAMES, draw: drawGlyph, size: 28, channels: 1 },
  shapes: { names: SHAPE_NAMES, draw: drawShape, size: 32, channels: 3 },
}

/** Change when a drawing changes: cached outputs of other drawings are then not taken for these. */
const DRAWING_VERSION = 1

const optionsOf = ({ names, size, channels }: (typeof SETS)[string]) =>
  z.strictObject({
    samples: z.coerce.number().int().min(2).max(1_000_000).default(10_000),
    size: z.coerce.number().int().min(12).max(64).default(size),
    classes: z.coerce.number().int().min(2).max(names.length).default(Math.min(10, names.length)),
    difficulty: z.coerce.number().min(0).max(1).default(0.5),
    seed: z.coerce.number().int().min(0).default(1),
    channels: z.coerce
      .number()
      .int()
      .refine((n) => n === 1 || n === 3, 'expected 1 or 3')
      .default(channels),
    /** Share of the samples that are the test part. */
    test: z.coerce.number().min(0).max(0.9).default(0.2),
  })

/**
 * `builtin:glyphs` and `builtin:shapes`, drawn when read. A picture is a function of seed, part and number in its part, so a larger set
 * begins with the pictures of a smaller one.
 */
export default defineReader({
  id: 'builtin',
  title: `${BUILTIN_PREFIX}${Object.keys(SETS).join(` or ${BUILTIN_PREFIX}`)} (drawn here; ?samples=4000&size=28&difficulty=0.5)`,
  recognises: ({ spec }) => spec.startsWith(BUILTIN_PREFIX),

  open({ spec }, { labels }) {
    const [name = '', query = ''] = spec.slice(BUILTIN_PREFIX.length).split('?', 2)
    const set = SETS[name]
    if (!set) {
      throw new OptionError(`expected ${Object.keys(SETS).join(' or ')}, found '${name}'`, { where: `data: ${spec}` })
    }
    const parsed = optionsOf(set).safeParse(Object.fromEntries(new URLSearchParams(query)))
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new OptionError(issue!.message, { where: `data: ${spec}: ${issue!.path.join('.') || 'options'}` })
    }
    return Promise.resolve(drawnSet(spec, set, parsed.data, labels === 'on'))
  },
})

type Options = z.infer<ReturnType<typeof optionsOf>>

function drawnSet(name: string, set: (typeof SETS)[string], options: Options, labelled: boolean): DataSet {
  const { samples, size, classes, difficulty, seed, channels } = options
  const testLength = Math.round(samples * options.test)
  const trainLength = samples - testLength
  const pixels = size * size * channels
  const streams = { train: random(seed, 'builtin', 'train'), test: random(seed, 'builtin', 'test') }
  /** Classes take turns, so each has its share. */
  const labelOf = (index: number) => (index < trainLength ? index : index - trainLength) % classes
  const drawAt = (index: number, out: Uint8Array) => {
    const stream = index < trainLength ? streams.train.fork(index) : streams.test.fork(index - trainLength)
    set.draw(labelOf(index), size, channels, difficulty, stream, out)
  }
  return {
    name,
    format: 'builtin',
    kind: 'image',
    length: samples,
    sample: { shape: [size, size, channels], dtype: 'uint8' },
    labelled,
    ...(labelled
      ? { classes: set.names.slice(0, classes), labels: Int32Array.from({ length: samples }, (_, i) => labelOf(i)) }
      : {}),
    ...(testLength > 0 ? { splits: { train: [0, trainLength], test: [trainLength, samples] } } : {}),
    warnings: [],
    contentHash() {
      const what = JSON.stringify([DRAWING_VERSION, set.names[0], options])
      return Promise.resolve(createHash('sha256').update(what).digest('hex'))
    },
    read(indices) {
      const out = new Uint8Array(indices.length * pixels)
      for (let i = 0; i < indices.length; i++) drawAt(indices[i]!, out.subarray(i * pixels, (i + 1) * pixels))
      const known = labelled ? { labels: Int32Array.from(indices, labelOf) } : {}
      return Promise.resolve({ kind: 'image', count: indices.length, shape: [size, size, channels], pixels: out, ...known })
    },
  }
}
