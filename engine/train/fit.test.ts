import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findMethod } from '../methods/index.ts'
import { buildTemplate } from '../students/index.ts'
import { readCheckpoint, writeCheckpoint, type Checkpoint } from './checkpoint.ts'
import { fit, type FitOptions } from './fit.ts'
import { toNet } from './nets.ts'
import { bits, rowTraining } from './testing/rows.ts'

const options = rowTraining(
  { samples: 200, shape: [6, 1, 1], student: 'mlp:8', second: 1 },
  { steps: 40, warmup: 3, evalEvery: 10, checkpointEvery: 5 },
)

describe('training loop', () => {
  it('learns a separable rule, and a sign error in the rate unlearns it', async () => {
    const losses: number[] = []
    await fit(options({ on: { step: (e) => losses.push(e.losses.total!) } }))
    expect(losses.at(-1)!).toBeLessThan(0.75 * losses[0]!)
    const wrong: number[] = []
    await fit(options({ lr: -0.02, on: { step: (e) => wrong.push(e.losses.total!) } }))
    expect(wrong.at(-1)!).toBeGreaterThan(wrong[0]!)
  })

  it.each([{}, { ema: 0.9 }, { clip: 0.5 }, { accumulate: 2, batch: 8 }, { optimizer: 'sgd' }] as Partial<FitOptions>[])(
    'stopped anywhere and resumed from the file, ends with the same bits: %o',
    async (more) => {
      const whole = await fit(options(more))
      const folder = mkdtempSync(join(tmpdir(), 'stillroom-fit-'))
      try {
        for (const stop of [3, 17, 30]) {
          const abort = new AbortController()
          const path = join(folder, `${stop}.ckpt`)
          const on = {
            step: (e: { step: number }) => e.step === stop && abort.abort(),
            checkpoint: (c: Checkpoint) => writeCheckpoint(path, c),
          }
          await expect(fit(options({ ...more, signal: abort.signal, on }))).rejects.toMatchObject({ code: 'interrupted' })
          const resume = readCheckpoint(path)
          expect(resume.step).toBe(stop)
          expect(bits(await fit(options({ ...more, resume })))).toEqual(bits(whole))
        }
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )

  it('sums gradients over small batches as over one large batch', async () => {
    const large = await fit(options({ steps: 1, batch: 32, evalEvery: 0, optimizer: 'sgd', warmup: 0 }))
    const small = await fit(options({ steps: 1, batch: 16, accumulate: 2, evalEvery: 0, optimizer: 'sgd', warmup: 0 }))
    for (const [name, t] of large.weights) {
      const other = small.weights.get(name)!.numbers()
      t.numbers().forEach((v: number, i: number) => expect(other[i]).toBeCloseTo(v, 5))
    }
  })

  it('reads a teacher from the disk as it was run', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillroom-cache-'))
    try {
      const teacher = toNet(buildTemplate('mlp:16', { input: [6, 1, 1], classes: 2, seed: 9 }), 'logits')
      const methods = [{ method: findMethod('hinton-kd'), options: { temperature: 2, alpha: 0.5 } }]
      const cache = { folder, teacher: 'a' }
      const plain = bits(await fit(options({ teacher, methods })))
      expect(bits(await fit(options({ teacher, methods, cache })))).toEqual(plain)
      expect(readdirSync(folder)).toHaveLength(1)
      expect(bits(await fit(options({ teacher, methods, cache })))).toEqual(plain)
      // Another teacher under the same hash shows that the file was read.
      const other = toNet(buildTemplate('mlp:16', { input: [6, 1, 1], classes: 2, seed: 10 }), 'logits')
      expect(bits(await fit(options({ teacher: other, methods, cache, evalEvery: 0 })))).toEqual(
        bits(await fit(options({ teacher, methods, cache, evalEvery: 0 }))),
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('stops early and keeps the best weights', async () => {
    const scores: number[] = []
    const result = await fit(
      options({
        lr: 0.3,
        steps: 200,
        patience: 2,
        evalEvery: 5,
        on: { evaluated: (_, m) => scores.push(m.top1! - 1e-6 * m.nll!) },
      }),
    )
    expect(result.stopped).toBe('patience')
    expect(result.steps).toBeLessThan(200)
    expect(result.step).toBe(5 * (scores.indexOf(Math.max(...scores)) + 1))
  })
})
