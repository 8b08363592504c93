import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findMethod, type Method } from '../methods/index.ts'
import { findOptimizer } from '../optim/index.ts'
import { nativeAddon } from '../session/index.ts'
import { readCheckpoint, writeCheckpoint, type Checkpoint } from './checkpoint.ts'
import { fit, type Fit, type FitOptions } from './fit.ts'
import { updatePlace } from './inPlace.ts'
import { bits, rowTraining } from './testing/rows.ts'

/** A small network with convolutions, batch norm and a layer norm's worth of small vectors. */
const options = rowTraining({ samples: 120, shape: [1, 8, 8], student: 'resnet-8:0.25', second: 9 }, { lr: 0.01 })

/** Largest difference of any weight over the largest weight. */
function distance(a: Fit, b: Fit): number {
  let [worst, size] = [0, 0]
  for (const [name, t] of a.weights) {
    const other = b.weights.get(name)!.numbers()
    t.numbers().forEach((v: number, i: number) => {
      worst = Math.max(worst, Math.abs(v - other[i]!))
      size = Math.max(size, Math.abs(v))
    })
  }
  return worst / size
}

const CASES: Partial<FitOptions>[] = [
  {},
  { ema: 0.9 },
  { clip: 0.05 },
  { accumulate: 2, batch: 8, clip: 0.05 },
  { optimizer: 'sgd', ema: 0.9 },
  { optimizer: 'adam', weightDecay: 0 },
  { optimizer: 'lion', lr: 1e-3 },
]

describe.skipIf(!nativeAddon())('training in place', () => {
  it.each(CASES)('equals training in the graph: %o', async (more) => {
    const plain = await fit(options({ ...more, update: 'graph' }))
    const native = await fit(options({ ...more, update: 'native' }))
    expect(native.weights.size).toBe(plain.weights.size)
    // Adam divides by the root of tiny second moments, which enlarges the last bits of a clipping factor summed in another order.
    expect(distance(native, plain)).toBeLessThan(more.clip ? 1e-4 : 1e-5)
    const one = await fit(options({ ...more, update: 'native', steps: 1 }))
    expect(distance(one, plain)).toBeGreaterThan(1e-3)
  })

  it.each(['graph', 'native'] as const)('goes on from a checkpoint where it was (%s), with the same bits', async (update) => {
    const folder = mkdtempSync(join(tmpdir(), 'stillroom-place-'))
    try {
      for (const more of [{ ema: 0.9, accumulate: 2, batch: 8, clip: 0.05 }] as Partial<FitOptions>[]) {
        const whole = await fit(options({ ...more, update }))
        const path = join(folder, 'c')
        let kept: Checkpoint | undefined
        const abort = new AbortController()
        const on = {
          step: (e: { step: number }) => e.step === 3 && abort.abort(),
          checkpoint: (c: Checkpoint) => writeCheckpoint(path, (kept = c)),
        }
        await expect(fit(options({ ...more, update, signal: abort.signal, on }))).rejects.toMatchObject({ code: 'interrupted' })
        const resume = readCheckpoint(path)
        expect(resume.update).toBe(update)
        // No word about the place: the checkpoint's counts, not the machine's.
        expect(bits(await fit(options({ ...more, resume })))).toEqual(bits(whole))
        // And the checkpoint that stayed in memory was not trained along.
        expect(bits(await fit(options({ ...more, resume: kept })))).toEqual(bits(whole))
        expect(bits(await fit(options({ ...more, resume: kept })))).toEqual(bits(whole))
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('stops where a gradient is no number', async () => {
    await expect(fit(options({ update: 'native', optimizer: 'sgd', lr: 1e30 }))).rejects.toMatchObject({ code: 'goal-missed' })
  })
})

describe('where parameters are updated', () => {
  const base = { optimizer: findOptimizer('adamw'), methods: [], provider: 'cpu' as const }
  it('is in place wherever the addon is, unless something else is asked for', () => {
    expect(updatePlace(base).place).toBe(nativeAddon() ? 'native' : 'graph')
    expect(updatePlace({ ...base, update: 'graph' }).place).toBe('graph')
    expect(updatePlace({ ...base, resumed: 'graph' }).place).toBe('graph')
  })

  it('is the graph on a device, and for rules that the addon does not know', () => {
    expect(updatePlace({ ...base, provider: 'webgpu' }).place).toBe('graph')
    const own = { ...findMethod('hinton-kd'), update: {} } as unknown as Method
    expect(updatePlace({ ...base, methods: [{ method: own }] }).place).toBe('graph')
    const { kernel: _, ...unknown } = base.optimizer
    expect(updatePlace({ ...base, optimizer: unknown })).toEqual({ place: 'graph' })
    expect(() => updatePlace({ ...base, provider: 'webgpu', update: 'native' })).toThrow("state stays on the device of 'webgpu'")
  })

  it('is lost for a run that began in place and cannot go on there', () => {
    const found = updatePlace({ ...base, provider: 'webgpu', resumed: 'native' })
    expect(found).toEqual({ place: 'graph', lost: "state stays on the device of 'webgpu'" })
  })
})
