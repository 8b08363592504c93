/** From stored pixels to what a model takes. */
import { z } from 'zod'
import { DataError, OptionError } from '../errors.ts'
import { toChannels } from './format/image.ts'
import { resample, type Box } from './resample.ts'
import type { FrontEnd } from './front/frontEnd.ts'
import type { DataSet, Image, ImageBatch, MixedImageBatch, RawBatch } from './types.ts'

/** x = (pixel * scale - mean) / std for each channel, pixels in 0..255. */
export const preprocessSchema = z
  .strictObject({
    channels: z.enum(['gray', 'rgb', 'bgr']),
    /** [height, width] of the model's input. */
    size: z.tuple([z.number().int().positive(), z.number().int().positive()]),
    /** `none`: sizes must fit; `stretch`: the whole picture, ignoring its aspect; `crop`: the largest centred part of the right aspect. */
    resize: z.enum(['none', 'stretch', 'crop']).default('stretch'),
    /** With `crop`: the share of that part's side which is kept (224 out of 256 is 0.875). */
    cropShare: z.number().positive().max(1).default(1),
    scale: z
      .number()
      .positive()
      .default(1 / 255),
    mean: z.array(z.number()).min(1),
    std: z.array(z.number().positive()).min(1),
    layout: z.enum(['NCHW', 'NHWC']).default('NCHW'),
    /** Element type of the model's input; values are handed over as float32. */
    dtype: z.enum(['float32', 'float16', 'float64', 'uint8', 'int8']).default('float32'),
  })
  .superRefine((p, context) => {
    const channels = channelCount(p)
    for (const field of ['mean', 'std'] as const) {
      if (p[field].length !== channels) {
        context.addIssue({
          code: 'custom',
          path: [field],
          message: `expected ${channels} numbers for ${p.channels}, found ${p[field].length}`,
        })
      }
    }
  })

export type Preprocess = z.output<typeof preprocessSchema>

/** Checks the document of an image preprocessing. Throws OptionError naming the field. */
export function parsePreprocess(document: unknown): Preprocess {
  const parsed = preprocessSchema.safeParse(document)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new OptionError(issue!.message, { where: ['preprocess', ...issue!.path].join('.') })
}

export const channelCount = (p: Pick<Preprocess, 'channels'>): 1 | 3 => (p.channels === 'gray' ? 1 : 3)

/** Shape of one sample after preprocessing. */
export const inputShape = (p: Preprocess): number[] =>
  p.layout === 'NCHW' ? [channelCount(p), ...p.size] : [...p.size, channelCount(p)]

/** The plainest preprocessing for a set: its own size and channels, values 0..1. Throws DataError when sizes differ. */
export function defaultPreprocess(set: DataSet, size?: readonly [number, number]): Preprocess {
  const [height = 0, width = 0, channels = 0] = set.sample.shape
  const to = size ?? [height, width]
  if (set.kind !== 'image' || to[0] * to[1] === 0) {
    throw new DataError(`expected images of one size, found samples of shape [${set.sample.shape.join(', ')}]`, {
      where: set.name,
      hint: 'state the size',
    })
  }
  const each = (v: number) => new Array<number>(channels).fill(v)
  const resize = to[0] === height && to[1] === width ? 'none' : 'stretch'
  return parsePreprocess({ channels: channels === 1 ? 'gray' : 'rgb', size: to, resize, mean: each(0), std: each(1) })
}

/**
 * The first half: channels and geometry, still bytes, images in the order given. A pure function; it is what batches keep in memory.
 * @returns count x height x width x channels of the model, RGB order
 * @throws DataError when resizing is off and an image has another size
 */
export function fitImages(raw: ImageBatch | MixedImageBatch, p: Preprocess): Uint8Array {
  const channels = channelCount(p)
  const size = p.size[0] * p.size[1] * channels
  if (raw.kind === 'image' && isSize(raw.shape, p) && raw.shape[2] === channels) return raw.pixels
  const out = new Uint8Array(raw.count * size)
  for (let i = 0; i < raw.count; i++) {
    const image = toChannels(raw.kind === 'images' ? raw.images[i]! : imageAt(raw, i), channels)
    const shape = [image.height, image.width, channels] as const
    if (isSize(shape, p)) out.set(image.pixels, i * size)
    else if (p.resize === 'none') {
      throw new DataError(`expected ${p.size.join(' x ')} pixels, found ${image.height} x ${image.width}`, {
        where: image.name,
        hint: "set resize to 'stretch' or 'crop'",
      })
    } else resample(image.pixels, 0, shape, boxOf(shape, p), p.size, out, i * size)
  }
  return out
}

const isSize = (shape: readonly [number, number, number], p: Preprocess): boolean =>
  shape[0] === p.size[0] && shape[1] === p.size[1]

function imageAt({ pixels, shape: [height, width, channels] }: ImageBatch, i: number): Image {
  const size = height * width * channels
  return { pixels: pixels.subarray(i * size, (i + 1) * size), height, width, channels, name: `image ${i}` }
}

function boxOf([height, width]: readonly [number, number, number], p: Preprocess): Box {
  if (p.resize === 'stretch') return { top: 0, left: 0, height, width }
  const [toHeight, toWidth] = p.size
  const side = Math.min(height / toHeight, width / toWidth) * p.cropShare
  const box = { height: toHeight * side, width: toWidth * side }
  return { ...box, top: (height - box.height) / 2, left: (width - box.width) / 2 }
}

/** The second half: pixels (bytes, or floats in 0..255 after augmentation) to normalised values in the model's layout. */
export function normalisePixels(pixels: Uint8Array | Float32Array, count: number, p: Preprocess): Float32Array {
  const channels = channelCount(p)
  const area = p.size[0] * p.size[1]
  const out = new Float32Array(count * area * channels)
  for (let c = 0; c < channels; c++) {
    // mean and std are given in the model's channel order, pixels are RGB.
    const from = p.channels === 'bgr' ? 2 - c : c
    const gain = p.scale / p.std[c]!
    const bias = -p.mean[c]! / p.std[c]!
    const step = p.layout === 'NCHW' ? 1 : channels
    for (let n = 0; n < count; n++) {
      let to = n * area * channels + (p.layout === 'NCHW' ? c * area : c)
      const end = (n + 1) * area * channels
      for (let i = n * area * channels + from; i < end; i += channels, to += step) out[to] = pixels[i]! * gain + bias
    }
  }
  return out
}

/** Both halves. */
export const applyPreprocess = (raw: RawBatch, p: Preprocess): Float32Array =>
  normalisePixels(fitImages(raw as ImageBatch | MixedImageBatch, p), raw.count, p)

export const imageFront = (p: Preprocess): FrontEnd => ({
  inputs: [{ name: 'x', shape: inputShape(p) }],
  kept: { shape: [...p.size, channelCount(p)], bytes: true },
  box: (height, width) => (isSize([height, width, 0], p) ? { top: 0, left: 0, height, width } : boxOf([height, width, 0], p)),
  first: (raw) => fitImages(raw as ImageBatch | MixedImageBatch, p),
  second: (kept, count) => [normalisePixels(kept, count, p)],
})
