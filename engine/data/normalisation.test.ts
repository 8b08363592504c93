import { join } from 'node:path'
import ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { sharedData } from '../../tests/shared.ts'
import {
  hintsFromMetadata,
  makeSplits,
  normalisePixels,
  openDataSet,
  parsePreprocess,
  pixelStatistics,
  PROBES,
  probePictures,
  rankNormalisations,
  scoreNormalisation,
  usualNormalisations,
  type Probe,
} from './index.ts'
import type { ImageBatch } from './types.ts'

const score = (outputs: number[][], classes: number, labels?: number[]) => {
  const [plain, shifted, noisy, faded] = outputs.map((rows) => Float32Array.from(rows)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  return scoreNormalisation({ plain, shifted, noisy, faded }, classes, labels && Int32Array.from(labels))
}

describe('scoreNormalisation', () => {
  it('is 1 for sure answers spread over the classes, 0 for one answer to everything', () => {
    const spread = [50, 0, 0, 50]
    expect(score([spread, spread, spread, spread], 2, [0, 0])).toEqual({
      confidence: expect.closeTo(1, 9) as number,
      information: expect.closeTo(1, 9) as number,
      stability: 1,
      accuracy: 0.5,
    })
    const stuck = [50, 0, 50, 0]
    expect(score([stuck, stuck, stuck, stuck], 2).information).toBeCloseTo(0, 9)
  })

  it('takes logits, log-probabilities and probabilities alike', () => {
    const p = [0.75, 0.25, 0.25, 0.75]
    const forms = [p, p.map(Math.log), p.map((v) => Math.log(v) + 3)]
    // ln 2 less the entropy of (3/4, 1/4), over ln 2.
    const information = 1 + (0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)) / Math.log(2)
    for (const form of forms) expect(score([form, form, form, form], 2).information).toBeCloseTo(information, 6)
  })

  it('counts the answers that changed pictures keep', () => {
    const [a, b] = [
      [1, 0, 1, 0],
      [1, 0, 0, 1],
    ] as [number[], number[]]
    expect(score([a, a, b, a], 2).stability).toBeCloseTo((1 + 0.5 + 1) / 3, 9)
  })
})

describe('rankNormalisations', () => {
  const candidates = usualNormalisations(1, { mean: [0.1], std: [0.3] })
  const plain = { confidence: 1, information: 0.5, stability: 0.5 }

  it('goes by information x stability, by accuracy where labels are known, and not by confidence', () => {
    const scores = candidates.map(({ id }) => (id === 'mnist' ? { ...plain, confidence: 0.5, stability: 0.9 } : plain))
    expect(rankNormalisations(candidates, scores)[0]!.id).toBe('mnist')
    const labelled = scores.map((s, i) => ({ ...s, accuracy: candidates[i]!.id === 'symmetric' ? 0.9 : 0.8 }))
    expect(rankNormalisations(candidates, labelled)[0]!.id).toBe('symmetric')
  })

  it('prefers a published normalisation to an equal one of the data set, and puts failures last', () => {
    const scores = candidates.map(({ id }) => ({
      ...plain,
      stability: id === 'data-set' ? 0.505 : id === 'mnist' ? 0.5 : id === 'unit' ? NaN : 0.1,
    }))
    const ranked = rankNormalisations(candidates, scores).map((r) => r.id)
    expect(ranked[0]).toBe('mnist')
    expect(ranked.at(-1)).toBe('unit')
  })
})

describe('hints and statistics', () => {
  it('reads the image metadata of the ONNX standard', () => {
    const about = (format: string, range: string) =>
      hintsFromMetadata({ 'Image.BitmapPixelFormat': format, 'Image.NominalPixelRange': range })
    expect(about('Bgr8', 'NominalRange_0_255')).toEqual({ channels: 'bgr', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] })
    expect(about('Gray8', 'Normalized_1_1')).toEqual({ channels: 'gray', scale: 1 / 255, mean: [0.5], std: [0.5] })
    expect(hintsFromMetadata({ author: 'x' })).toEqual({})
    // Black is 16 and white 235.
    const { scale, mean, std } = about('Gray8', 'NominalRange_16_235') as { scale: number; mean: number[]; std: number[] }
    expect([0, 255].map((v) => (v * scale - mean[0]!) / std[0]!)).toEqual([expect.closeTo(16, 9), expect.closeTo(235, 9)])
  })

  it('computes mean and deviation of each channel', () => {
    const { mean, std } = pixelStatistics(Uint8Array.of(0, 10, 255, 10), 2)
    expect(mean).toEqual([expect.closeTo(0.5, 9), expect.closeTo(10 / 255, 9)])
    expect(std).toEqual([expect.closeTo(0.5, 9), expect.closeTo(0, 9)])
  })
})

const images = sharedData('t10k-images-idx3-ubyte.gz')
const models = sharedData('models')

describe.skipIf(!images || !models)('the MNIST teacher', () => {
  it.each(['off', 'on'] as const)('ranks its own normalisation first, labels %s', async (labels) => {
    const set = await openDataSet(images!, { labels })
    const index = makeSplits(set, { seed: 1 }).train.slice(0, 200)
    const raw = (await set.read(index)) as ImageBatch
    const session = await ort.InferenceSession.create(join(models!, 'models', 'mnist-burn-cnn.onnx'), { intraOpNumThreads: 1 })
    // The file has a fixed batch of 1.
    const run = async (x: Float32Array) => {
      const out = new Float32Array(index.length * 10)
      for (let n = 0; n < index.length; n++) {
        const input = new ort.Tensor('float32', x.subarray(n * 784, (n + 1) * 784), [1, 1, 28, 28])
        const answer = await session.run({ [session.inputNames[0]!]: input })
        out.set(answer[session.outputNames[0]!]!.data as Float32Array, n * 10)
      }
      return out
    }
    const candidates = usualNormalisations(1, pixelStatistics(raw.pixels, 1))
    const pictures = probePictures(raw.pixels, raw.shape)
    const scores = []
    for (const { channels, scale, mean, std } of candidates) {
      const p = parsePreprocess({ channels, size: [28, 28], resize: 'none', scale, mean, std })
      const outputs = {} as Record<Probe, Float32Array>
      for (const probe of PROBES) outputs[probe] = await run(normalisePixels(pictures[probe], index.length, p))
      scores.push(scoreNormalisation(outputs, 10, raw.labels))
    }
    const ranked = rankNormalisations(candidates, scores)
    expect(ranked[0]!.id).toBe('mnist')
    expect(ranked.at(-1)!.id).toBe('unit')
    // Why confidence does not decide.
    expect(ranked.reduce((a, b) => (b.confidence > a.confidence ? b : a)).id).toBe('bytes')
  })
})
