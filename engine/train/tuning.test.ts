import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { arrayDataSet, makeSplits } from '../data/index.ts'
import { random } from '../random.ts'
import { buildTemplate } from '../students/index.ts'
import type { Tuner } from '../tune/index.ts'
import { readCheckpoint, writeCheckpoint, type Checkpoint } from './checkpoint.ts'
import { fit, type Fit, type FitOptions } from './fit.ts'
import { toNet } from './nets.ts'

const samples = 5000
/** Batches that are large enough for products to have several forms. */
function options(more: Partial<FitOptions> = {}): FitOptions {
  const data = new Float32Array(samples * 6)
  random(5, 'rows').fillNormal(data, 0, 1)
  const labels = Int32Array.from({ length: samples }, (_, i) => (data[i * 6]! + data[i * 6 + 1]! > 0 ? 1 : 0))
  const dataset = arrayDataSet({ name: 'rows', format: 'rows', shape: [6, 1, 1], data, labels })
  return {
    student: toNet(buildTemplate('mlp:8', { input: [6, 1, 1], classes: 2, seed: 1 }), 'logits'),
    teacher: undefined,
    samples: { dataset, preprocess: undefined },
    splits: makeSplits(dataset, { seed: 1 }),
    classes: 2,
    labelled: true,
    methods: [],
    steps: 8,
    batch: 2048,
    lr: 0.02,
    optimizer: 'adamw',
    momentum: 0.9,
    weightDecay: 0.01,
    schedule: 'cosine',
    warmup: 2,
    accumulate: 1,
    labelSmoothing: 0.1,
    augment: [],
    evalEvery: 0,
    checkpointEvery: Infinity,
    seed: 3,
    threads: 1,
    provider: 'cpu',
    target: { provider: 'cpu', block: 1 },
    on: {},
    ...more,
  }
}
const bits = (f: Fit) => Object.fromEntries([...f.weights].map(([name, t]) => [name, Buffer.from(t.bytes).toString('hex')]))
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
