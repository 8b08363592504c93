import { describe, expect, it } from 'vitest'
import { arrayDataSet } from './arrayDataSet.ts'
import { augmentations, defaultPreprocess, makeBatcher, makeSplits, openDataSet, sequential, withOptions } from './index.ts'

/** Twenty 2 x 2 gray pictures; every pixel of picture i is i. Three classes. */
const dataset = arrayDataSet({
  name: 'numbers',
  format: 'test',
  shape: [2, 2, 1],
  data: Uint8Array.from({ length: 80 }, (_, i) => Math.floor(i / 4)),
  labels: Int32Array.from({ length: 20 }, (_, i) => i % 3),
})
const preprocess = { ...defaultPreprocess(dataset), scale: 1 }
const indices = Int32Array.from({ length: 18 }, (_, i) => i)
const flip = withOptions(augmentations.find((a) => a.id === 'flip')!)
const mixup = withOptions(augmentations.find((a) => a.id === 'mixup')!)

describe('makeBatcher', () => {
  it('visits every sample once an epoch, in another order each epoch, with its own pixels and label', async () => {
    const batcher = makeBatcher({ dataset, indices, batch: 6, seed: 1, preprocess })
    expect(batcher).toMatchObject({ stepsPerEpoch: 3, shape: [6, 1, 2, 2], fixedViews: true })
    const epochs = await Promise.all(
      [0, 1].map(async (epoch) => {
        const batches = await Promise.all([0, 1, 2].map((i) => batcher.at(epoch * 3 + i)))
        for (const { x, y, label, index, shape } of batches) {
          expect(shape).toEqual([6, 1, 2, 2])
          expect(Array.from(x)).toEqual(Array.from(index).flatMap((i) => [i, i, i, i]))
          expect(Array.from(label!)).toEqual(Array.from(index, (i) => i % 3))
          expect(Array.from(y!)).toEqual(Array.from(index).flatMap((i) => [0, 1, 2].map((k) => (k === i % 3 ? 1 : 0))))
        }
        return batches.flatMap((batch) => Array.from(batch.index))
      }),
    )
    for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual(Array.from(indices))
    expect(epochs[0]).not.toEqual(epochs[1])
  })

  it('answers the same for a step, whatever was asked before, cached or not', async () => {
    const options = { dataset, indices, batch: 5, seed: 4, preprocess, augment: [flip, mixup], views: 2 }
    const straight = makeBatcher(options)
    const wanted = []
    for (let step = 0; step < 9; step++) wanted.push(await straight.at(step))
    const resumed = makeBatcher({ ...options, cacheBytes: 12 })
    for (const step of [8, 2, 5, 5]) expect(await resumed.at(step)).toEqual(wanted[step])
    expect(await makeBatcher({ ...options, seed: 5 }).at(2)).not.toEqual(wanted[2])
  })

  it('augments each view on its own', async () => {
    const { views, x, y } = await makeBatcher({ dataset, indices, batch: 6, seed: 1, preprocess, augment: [mixup], views: 2 }).at(0)
    expect(views).toHaveLength(2)
    expect(views[0]).toEqual({ x, y })
    expect(views[1]!.x).not.toEqual(x)
  })

  it('keeps the short batch on request and refuses a batch that cannot be filled', async () => {
    const batcher = makeBatcher({ dataset, indices, batch: 7, seed: 1, preprocess, dropLast: false })
    expect(batcher.stepsPerEpoch).toBe(3)
    expect((await batcher.at(2)).shape).toEqual([4, 1, 2, 2])
    expect(() => makeBatcher({ dataset, indices, batch: 19, seed: 1, preprocess })).toThrow(/at most the 18/)
  })

  it('refuses labels beyond the classes of the model, and pads the target for more classes', async () => {
    await expect(makeBatcher({ dataset, indices, batch: 6, seed: 1, preprocess, classes: 2 }).at(0)).rejects.toThrow(/below 2/)
    expect((await makeBatcher({ dataset, indices, batch: 6, seed: 1, preprocess, classes: 5 }).at(0)).y).toHaveLength(30)
  })

  it('passes tensors as they are, without labels too', async () => {
    const tensors = arrayDataSet({ name: 't', format: 'test', shape: [2], data: Float32Array.of(1, 2, 3, 4) })
    const batch = await makeBatcher({ dataset: tensors, indices: Int32Array.of(1), batch: 1, seed: 1 }).at(0)
    expect(batch).toEqual({
      x: Float32Array.of(3, 4),
      inputs: [{ name: 'x', shape: [1, 2], values: Float32Array.of(3, 4) }],
      shape: [1, 2],
      index: Int32Array.of(1),
      views: [{ x: Float32Array.of(3, 4) }],
    })
    expect(() => makeBatcher({ dataset: tensors, indices: Int32Array.of(1), batch: 1, seed: 1, augment: [flip] })).toThrow(
      /found flip/,
    )
  })
})

describe('sequential', () => {
  it('gives every sample once, in order, the last batch in its true size', async () => {
    const seen: number[][] = []
    for await (const { index, shape } of sequential({ dataset, indices, batch: 8, preprocess })) {
      expect(shape[0]).toBe(index.length)
      seen.push(Array.from(index))
    }
    expect(seen.map((part) => part.length)).toEqual([8, 8, 2])
    expect(seen.flat()).toEqual(Array.from(indices))
  })
})

describe('makeSplits', () => {
  it('gives the same parts whether labels are known or not', async () => {
    const [on, off] = await Promise.all(
      (['on', 'off'] as const).map((labels) => openDataSet('builtin:glyphs?samples=300&test=0', { labels })),
    )
    expect(off!.labelled).toBe(false)
    expect(makeSplits(on!, { seed: 4 })).toEqual(makeSplits(off!, { seed: 4 }))
  })

  it('cuts by share, without overlap, with equal classes where that is asked for', async () => {
    const set = await openDataSet('builtin:glyphs?samples=1000&test=0')
    const { train, validation, test } = makeSplits(set, { seed: 2, stratify: true })
    expect([train.length, validation.length, test.length]).toEqual([720, 80, 200])
    expect(new Set([...train, ...validation, ...test]).size).toBe(1000)
    const counts = (part: Int32Array) => Array.from({ length: 10 }, (_, k) => part.filter((i) => set.labels![i] === k).length)
    expect([counts(train), counts(validation), counts(test)]).toEqual([72, 8, 20].map((n) => new Array(10).fill(n)))
    expect(makeSplits(set, { seed: 3, stratify: true }).test).not.toEqual(test)
    expect(makeSplits(set, { seed: 2, stratify: true })).toEqual({ train, validation, test })
  })

  it('keeps the sizes when classes do not divide evenly', () => {
    const labels = Int32Array.from({ length: 101 }, (_, i) => (i < 7 ? 0 : i < 50 ? 1 : 2))
    const set = arrayDataSet({ name: 'n', format: 'test', shape: [1], data: new Float32Array(101), labels })
    const { train, validation, test } = makeSplits(set, { seed: 1, share: 0.5, stratify: true })
    expect([train.length + validation.length, test.length]).toEqual([51, 50])
    const rare = [train, validation, test].map((part) => part.filter((i) => labels[i] === 0).length)
    expect(rare[2]! === 3 || rare[2]! === 4).toBe(true)
    expect(new Set([...train, ...validation, ...test]).size).toBe(101)
  })

  it("keeps the set's own parts", async () => {
    const set = await openDataSet('builtin:glyphs?samples=100&test=0.3')
    const { train, validation, test } = makeSplits(set, { seed: 2, share: 0.5 })
    expect(Array.from(test)).toEqual(Array.from({ length: 30 }, (_, i) => 70 + i))
    expect([train.length, validation.length]).toEqual([63, 7])
    expect(Math.max(...train, ...validation)).toBe(69)
  })

  it('refuses shares out of range', () => {
    expect(() => makeSplits(dataset, { seed: 1, share: 0 })).toThrow(expect.objectContaining({ where: 'split' }))
    expect(() => makeSplits(dataset, { seed: 1, validationShare: 1 })).toThrow(/below 1/)
  })
})
