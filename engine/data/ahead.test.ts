import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { arrayDataSet } from './arrayDataSet.ts'
import { batchesAhead, type AheadBatcher, type AheadOptions } from './ahead.ts'
import { augmentations } from './augment/list.gen.ts'
import { withOptions } from './augment.ts'
import { makeBatcher, type BatcherOptions } from './batcher.ts'
import { openDataSet } from './openDataSet.ts'
import { defaultPreprocess } from './preprocess.ts'
import type { Batch } from './types.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-ahead-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const augmentOf = (...ids: string[]) => ids.map((id) => withOptions(augmentations.find((a) => a.id === id) as never, {}))

const dataset = await openDataSet('builtin:glyphs?samples=60&size=12')
const options: BatcherOptions = {
  dataset,
  indices: Int32Array.from({ length: 40 }, (_, i) => i),
  batch: 8,
  seed: 5,
  preprocess: defaultPreprocess(dataset),
  augment: augmentOf('padded-crop', 'flip', 'mixup'),
  views: 2,
}

/** Steps of a batcher; `wait` for its thread to start. */
async function batches(
  given: BatcherOptions & AheadOptions,
  steps: readonly number[],
  wait = false,
): Promise<{ made: Batch[]; b: AheadBatcher }> {
  const b = batchesAhead(given)
  const made: Batch[] = []
  try {
    for (const step of steps) {
      made.push(await b.at(step))
      for (let i = 0; wait && i < 500 && !b.threaded; i++) await sleep(10)
    }
    return { made, b }
  } finally {
    await b.release()
  }
}

describe('batches made ahead', () => {
  const steps = Array.from({ length: 14 }, (_, i) => i)
  it('are those made in line, bit for bit, over epochs', async () => {
    const b = batchesAhead({ ...options, ahead: 'on' })
    try {
      const inline = makeBatcher(options)
      let threaded = 0
      for (const step of steps) {
        for (let i = 0; step > 0 && i < 500 && !b.threaded; i++) await sleep(10)
        expect(await b.at(step)).toEqual(await inline.at(step))
        if (b.threaded) threaded++
      }
      expect(threaded).toBeGreaterThan(10)
    } finally {
      await b.release()
    }
  })

  it('are right also when steps are skipped or repeated, as after a resumption', async () => {
    const jumps = [7, 8, 9, 2, 3, 3, 11, 12]
    const { made } = await batches({ ...options, ahead: 'on' }, jumps, true)
    const inline = makeBatcher(options)
    for (const [i, step] of jumps.entries()) expect(made[i]).toEqual(await inline.at(step))
  })

  it('share their memory between parts as those made in line do', async () => {
    const { made } = await batches({ ...options, ahead: 'on' }, [0, 1, 2, 3], true)
    for (const batch of made) expect(batch.inputs[0]!.values).toBe(batch.x)
  })

  it('stay in line where nothing is known of the set or the augmentation, or loading takes no time', async () => {
    const plain = arrayDataSet({ name: 'rows', format: 'rows', shape: [2], data: new Float32Array(120) })
    expect(
      (await batches({ ...options, dataset: plain, preprocess: undefined, augment: [], ahead: 'on' }, [0, 1])).b.threaded,
    ).toBe(false)
    const own = { id: 'own', apply: (batch: never) => batch }
    const { made, b } = await batches({ ...options, augment: [own] }, [0, 1])
    expect([made.length, b.threaded]).toEqual([2, false])
    expect((await batches({ ...options, ahead: 'off' }, steps)).b.threaded).toBe(false)
  })

  it('carry the error of a sample that cannot be read', async () => {
    const path = join(folder, 'images')
    for (const name of ['a', 'b']) mkdirSync(join(path, name), { recursive: true })
    const png = await sharp({ create: { width: 6, height: 6, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    for (let i = 0; i < 8; i++) writeFileSync(join(path, i % 2 ? 'a' : 'b', `${i}.png`), i === 6 ? png.subarray(0, 40) : png)
    const set = await openDataSet(path)
    const indices = Int32Array.from({ length: 8 }, (_, i) => i)
    const given = { dataset: set, indices, batch: 2, seed: 1, preprocess: defaultPreprocess(set), ahead: 'on' as const }
    await expect(batches(given, [0, 1, 2, 3], true)).rejects.toMatchObject({
      code: 'data',
      where: expect.stringContaining('6.png'),
    })
  })

  it('measure how long their callers waited', async () => {
    const { b } = await batches({ ...options, ahead: 'off' }, [0, 1])
    expect(b.waitedMs).toBeGreaterThan(0)
  })
})
