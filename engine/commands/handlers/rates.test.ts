/** Changing the learning rate of a run: what the trainer sees, when, and again after a crash. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openStore } from '../../runs/index.ts'
import { commandNames, handlers, inProcess, makeClient, makeDispatcher } from '../index.ts'
import { ratesOf } from './rates.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-rates-'))
const path = join(folder, 'store.sqlite')
const store = openStore(path)
const dispatcher = makeDispatcher(handlers)
afterAll(() => {
  store.close()
  dispatcher.close()
  rmSync(folder, { recursive: true, force: true })
})
const api = makeClient(commandNames, inProcess(dispatcher))
const newRun = (kind = 'train'): string => store.createRun({ kind, recipe: {}, seed: 0, engineVersion: 'test' }).id
/** A trainer that has just looked: each asks the store at its first step. */
const rateAt = (run: string, step: number, taken: [number, number][] = []): number | undefined =>
  ratesOf(store, run, (lr, at) => taken.push([lr, at]))(step)

describe('the learning rate of a run', () => {
  it('is the recipe’s own until someone changes it', () => expect(rateAt(newRun(), 7)).toBe(undefined))

  it('changes from the step at which the trainer first sees it, and is told once', async () => {
    const run = newRun()
    const taken: [number, number][] = []
    await api['runs.rate']({ id: run, lr: 0.25, store: path })
    const rates = ratesOf(store, run, (lr, at) => taken.push([lr, at]))
    expect([rates(50), rates(51), rates(400)]).toEqual([0.25, 0.25, 0.25])
    expect(taken).toEqual([[0.25, 50]])
    expect(store.rates(run)).toEqual([{ lr: 0.25, step: 50 }])
  })

  it('changes at the same step again when the run resumes before it', async () => {
    const run = newRun()
    await api['runs.rate']({ id: run, lr: 0.25, store: path })
    rateAt(run, 50)
    const resumed = ratesOf(store, run, () => undefined)
    expect([resumed(40), resumed(49), resumed(50)]).toEqual([undefined, undefined, 0.25])
  })

  it('follows the last wish: an older change at a later step is past', async () => {
    const run = newRun()
    await api['runs.rate']({ id: run, lr: 0.25, store: path })
    rateAt(run, 50)
    await api['runs.rate']({ id: run, lr: 0.5, store: path })
    await api['runs.rate']({ id: run, lr: 0.125, store: path })
    const resumed = ratesOf(store, run, () => undefined)
    expect([resumed(40), resumed(50), resumed(90)]).toEqual([0.125, 0.125, 0.125])
  })

  it('cannot change when nothing trains', async () => {
    const [done, other] = [newRun(), newRun('quantize')]
    store.claimRun(done)
    store.endRun(done, { status: 'done' })
    await expect(api['runs.rate']({ id: done, lr: 0.1, store: path })).rejects.toMatchObject({ code: 'option' })
    await expect(api['runs.rate']({ id: other, lr: 0.1, store: path })).rejects.toMatchObject({ code: 'option' })
    await expect(api['runs.rate']({ id: newRun(), lr: 0, store: path })).rejects.toMatchObject({ code: 'option' })
    expect(store.rates(done)).toEqual([])
  })

  it('reaches the steps of a training that runs, scaled by its schedule', async () => {
    const rates: { step: number; lr: number; peakLr?: number | undefined }[] = []
    let run = ''
    await api.train(
      {
        data: 'builtin:glyphs?samples=200&size=12',
        student: 'template:mlp',
        steps: 400,
        batch: 8,
        lr: 0.004,
        warmup: 0,
        schedule: 'constant',
        evalEvery: 1000,
        threads: 1,
        store: path,
      },
      {
        started: (event) => (run = event.run),
        step(event) {
          if (rates.length === 0) store.askRate(run, 0.001)
          rates.push(event)
        },
      },
    )
    expect(rates[0]).toMatchObject({ lr: 0.004, peakLr: 0.004 })
    expect(rates.at(-1)).toMatchObject({ step: 400, lr: 0.001, peakLr: 0.001 })
    expect(store.events(run).map(({ text }) => text)).toEqual([
      expect.stringMatching(/^peak learning rate 0.001 from step \d+ on$/),
    ])
  })
})
