import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Tuner } from '../tune/index.ts'
import { readCheckpoint, writeCheckpoint, type Checkpoint } from './checkpoint.ts'
import { fit } from './fit.ts'
import { bits, rowTraining } from './testing/rows.ts'

/** Batches that are large enough for products to have several forms. */
const options = rowTraining({ samples: 5000, shape: [6, 1, 1], student: 'mlp:8', second: 1 }, { batch: 2048 })
const choose =
  (at: number): Tuner =>
  (questions) =>
    Promise.resolve(Object.fromEntries(questions.map((q) => [q.key, Object.keys(q.forms).at(at)!])))

it('goes on with the forms that a run began with, whatever would be chosen now', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stillroom-tuning-'))
  const path = join(folder, 'one.ckpt')
  try {
    const abort = new AbortController()
    const on = {
      step: (e: { step: number }) => e.step === 3 && abort.abort(),
      checkpoint: (c: Checkpoint) => writeCheckpoint(path, c),
    }
    await expect(fit(options({ tuner: choose(-1), signal: abort.signal, on }))).rejects.toMatchObject({ code: 'interrupted' })
    const resume = readCheckpoint(path)
    const [whole, usual] = [bits(await fit(options({ tuner: choose(-1) }))), bits(await fit(options()))]
    expect(Object.keys(resume.plan ?? {}).length).toBeGreaterThan(0)
    // The forms differ in the last bits, or this test would show nothing.
    expect(whole).not.toEqual(usual)
    expect(bits(await fit(options({ tuner: choose(0), resume })))).toEqual(whole)
    expect(bits(await fit(options({ resume })))).toEqual(whole)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it('is the untuned training where the first forms win, and where nothing is tuned', async () => {
  expect(bits(await fit(options({ tuner: choose(0) })))).toEqual(bits(await fit(options())))
})
