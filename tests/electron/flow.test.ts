/**
 * The main job as a person does it in the window, on real digits and a real teacher, through both doors: from the drop of a model to the files
 * for an app, over a pause, a quit, and a killed engine. No step may leave an error on the console, a report of the page's policy or a socket
 * outside of the loopback interface.
 */
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { sharedData } from '../shared.ts'
import { violationsInBoth } from './axe.ts'
import { launch, type RunningApp } from './app.ts'
import { hasChromium } from './chromium.ts'
import { foreignSockets, hasStrace } from './sockets.ts'
import { benchmark, choose, go, importModel, makePlan, quantize, start, stepsDone, waitForResult, waitForState } from './tour.ts'

const models = sharedData('models')
const digits = ['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz'].map((name) => sharedData(name))
const folder = mkdtempSync(join(tmpdir(), 'stillroom-flow-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.runIf(hasChromium() && models && digits.every(Boolean)).each(['electron', 'serve'] as const)(
  'the main job through %s',
  (door) => {
    const home = join(folder, door)
    const [data, out, store] = [join(home, 'digits'), join(home, 'out'), join(home, 'store')]
    const teacher = join(home, 'mnist-burn-cnn.onnx')
    const traces: string[] = []
    let app: RunningApp
    let page: Page
    let failed = false

    async function open(): Promise<void> {
      const trace = join(home, `trace-${traces.length}`)
      if (hasStrace()) traces.push(trace)
      app = await launch(door, { folder: store, root: [home], out: [out], ...(hasStrace() ? { trace } : {}) })
      page = app.page
    }
    beforeAll(async () => {
      mkdirSync(data, { recursive: true })
      mkdirSync(out)
      copyFileSync(join(models!, 'models', 'mnist-burn-cnn.onnx'), teacher)
      for (const file of digits) copyFileSync(file!, join(data, file!.split('/').at(-1)!))
      await open()
    })
    afterAll(() => app?.quit())
    afterEach(async ({ task }) => {
      if (task.result?.state === 'fail' && !failed) await page.screenshot({ path: join(tmpdir(), `stillroom-flow-${door}.png`) })
      failed ||= task.result?.state === 'fail'
      expect(app.errors).toEqual([])
      expect(app.strange).toEqual([])
    })
    const step = (name: string, act: () => Promise<void>): void =>
      void it(
        name,
        async ({ skip }) => {
          skip(failed, 'a step before it failed')
          await act()
          // The views with results in them; those without are in views.test.ts. Both doors show the same pages.
          if (door === 'electron') expect(await violationsInBoth(page, name)).toEqual([])
        },
        600_000,
      )

    step('imports the teacher by drop and shows its inspector', async () => {
      await importModel(app, teacher)
      const inspector = page.getByLabel('Inspector of mnist-burn-cnn.onnx')
      await inspector.getByText(/^376,9\d\d$/).waitFor()
      await inspector.getByText('Possible').waitFor()
      expect(await inspector.locator('.row-line').count()).toBeGreaterThan(5)
      await page.getByRole('tab', { name: 'Graph' }).click()
      await page.getByLabel(/Find a node/).fill('Conv')
      await page.getByText(/^[1-9]\d* found$/).waitFor()
      await page.keyboard.press('Enter')
      await page.getByRole('img', { name: /Distribution/ }).waitFor({ timeout: 60_000 })
      await inspector.getByRole('button', { name: 'Use as teacher' }).click()
      await page.locator('#view-title', { hasText: 'Plan' }).waitFor()
    })

    step('recognises the folder of digits', async () => {
      await go(page, 'Data')
      await choose(app, page.locator('header').getByRole('button', { name: 'Open a folder' }), data, home)
      await page.locator('#sheet').waitFor({ timeout: 60_000 })
      const facts = page.locator('dl.stats')
      await facts.getByText('10,000').waitFor()
      await facts.getByText('10 classes').waitFor()
      await page.locator('#balance').waitFor()
      await page.getByRole('button', { name: 'Use in the plan' }).click()
    })

    step('plans a student, and forecasts', async () => {
      await page.getByText('Less by').waitFor({ timeout: 120_000 })
      await makePlan(page, {
        teacher: 'mnist-burn-cnn.onnx',
        data: 'digits',
        template: 'small-cnn',
        fields: { Name: 'First', Steps: '240', 'Eval every': '20', 'Checkpoint every': '20' },
      })
      await page.getByText('Less by').waitFor({ timeout: 120_000 })
      await page.getByRole('button', { name: 'Forecast', exact: true }).click()
      await page.getByText(/for 240 steps/).waitFor({ timeout: 120_000 })
    })

    let paused = 0
    step('trains with live curves, and pauses', async () => {
      await start(page, 30)
      const chart = page.getByRole('img', { name: /^Losses by step: total ends at/ })
      const before = await chart.getAttribute('aria-label')
      await expect.poll(() => chart.getAttribute('aria-label'), { timeout: 60_000 }).not.toBe(before)
      await page.getByRole('img', { name: /^Metrics on the validation share: Accuracy ends at/ }).waitFor({ timeout: 120_000 })
      await page.getByLabel('Peak learning rate').fill('0.002')
      await page.getByRole('button', { name: 'Change', exact: true }).click()
      await page.getByText(/peak learning rate 0.002 from step \d+ on/).waitFor({ timeout: 60_000 })
      await page.getByRole('button', { name: 'Pause', exact: true }).click()
      await waitForState(page, 'Paused')
      paused = await stepsDone(page)
      expect(paused).toBeGreaterThan(20)
      expect(paused).toBeLessThan(240)
    })

    step('quits, starts again and resumes', async () => {
      await app.quit()
      await open()
      await go(page, 'Run')
      await waitForState(page, 'Paused')
      await page.getByRole('button', { name: 'Resume', exact: true }).click()
      // The page hears of steps a few times a second, so the last one that it showed may lie a little before the checkpoint.
      const line = page.getByText(/Resumed from step \d+/)
      await line.waitFor({ timeout: 120_000 })
      const from = Number(/step (\d+)/.exec(await line.innerText())![1])
      expect(from).toBeGreaterThanOrEqual(paused)
      expect(from).toBeLessThan(240)
      await waitForResult(page)
      await waitForState(page, 'Done')
      // The curves hold what was before the quit as well: 240 steps and no gap, as the store has them.
      const db = new Database(join(store, 'store.sqlite'), { readonly: true })
      const steps = db.prepare("SELECT step FROM metrics WHERE split = 'train' AND name = 'total' ORDER BY step").pluck().all()
      db.close()
      expect(new Set(steps).size).toBe(steps.length)
      expect(Math.max(...(steps as number[]))).toBe(240)
    })

    step('shows the answers of teacher and student side by side', async () => {
      await page.getByRole('button', { name: 'Compare on samples' }).click()
      await page.locator('.sample').first().waitFor({ timeout: 120_000 })
      expect(await page.locator('.sample').count()).toBe(12)
    })

    step('quantizes', async () => {
      await quantize(page)
      await page.getByRole('row', { name: /Accuracy/ }).waitFor()
      expect(await page.getByLabel('Layers', { exact: true }).locator('.row-line').count()).toBeGreaterThan(3)
    })

    step('benchmarks', async () => {
      await go(page, 'Benchmark')
      await page.getByLabel('Model', { exact: true }).selectOption({ index: 2 })
      await page.getByLabel('Against', { exact: true }).selectOption({ label: 'mnist-burn-cnn.onnx' })
      await benchmark(page, 30)
      await page.getByText(/Ratio of latencies/).waitFor()
    })

    step('shows a run whose engine was killed, and resumes it', async () => {
      await makePlan(page, { data: 'digits', template: 'mlp', fields: { Name: 'Second', Steps: '300' } })
      await start(page, 50)
      process.kill(enginePid(store), 'SIGKILL')
      await waitForState(page, 'Interrupted')
      await page.getByText('The engine ended in the middle of this run').waitFor()
      await page.getByRole('button', { name: 'Resume', exact: true }).click()
      await page.getByText(/Resumed from step \d+/).waitFor({ timeout: 120_000 })
      await waitForResult(page)
      await waitForState(page, 'Done')
    })

    step('compares the two runs', async () => {
      await go(page, 'Runs')
      for (const name of ['First', 'Second']) await page.locator('.row-line', { hasText: name }).getByLabel('Mark').check()
      await page.getByRole('button', { name: 'Compare', exact: true }).click()
      await page.locator('#compare').waitFor()
      await page.getByRole('img', { name: /First ends at .*Second ends at/ }).waitFor()
      await page.getByRole('row', { name: /student.*small-cnn.*mlp/ }).waitFor()
      await page.getByRole('button', { name: 'Pareto chart' }).click()
      await page.getByRole('img', { name: /Accuracy against File/ }).waitFor()
    })

    step('exports files that compute what the student computes', async () => {
      await page.locator('.row-line', { hasText: 'First' }).click()
      await page.locator('aside').getByRole('button', { name: 'Open' }).click()
      await page
        .locator('section', { has: page.locator('#result') })
        .getByRole('button', { name: 'Export' })
        .click()
      await choose(app, page.getByRole('button', { name: 'Choose the folder' }), out, out)
      await page.getByRole('checkbox', { name: /int8/ }).check()
      await page.locator('main').getByRole('button', { name: 'Export', exact: true }).click()
      await page.locator('#export-result').waitFor({ timeout: 240_000 })
      await page.getByText('Parity checked').waitFor()
      const db = new Database(join(store, 'store.sqlite'), { readonly: true })
      const run = db.prepare("SELECT result FROM runs WHERE name = 'First' OR kind = 'distill' ORDER BY created").pluck().get()
      db.close()
      const { model } = JSON.parse(run as string) as { model: string }
      const [student, exported, ort] = await Promise.all(
        [model, join(out, 'model.onnx'), join(out, 'model.ort')].map((file) => answers(file)),
      )
      // Norms are folded into convolutions on the way out, which rounds the last bits otherwise.
      for (const answer of [exported, ort]) student!.forEach((value, i) => expect(answer![i]).toBeCloseTo(value, 3))
      const json = <T>(name: string): T => JSON.parse(readFileSync(join(out, name), 'utf8')) as T
      const { files } = json<{ files: { path: string; bytes: number; sha256: string }[] }>('manifest.json')
      expect(files.map(({ path }) => path)).toEqual(
        expect.arrayContaining(['model.onnx', 'model_int8.onnx', 'model.ort', 'labels.txt']),
      )
      for (const { path, sha256 } of files)
        expect(
          createHash('sha256')
            .update(readFileSync(join(out, path)))
            .digest('hex'),
        ).toBe(sha256)
      expect(json<{ parity: { maxAbsError: number } }>('metrics.json').parity.maxAbsError).toBeLessThan(1e-3)
    })

    it.runIf(hasStrace())('opened no socket to another machine', async () => {
      await app.quit()
      expect(traces.length).toBe(2)
      for (const trace of traces) expect(foreignSockets(trace)).toEqual([])
    })
  },
)

/** Process of the engine host that trains now, as the store has it. */
function enginePid(store: string): number {
  const db = new Database(join(store, 'store.sqlite'), { readonly: true })
  const pid = db.prepare("SELECT hostPid FROM runs WHERE status = 'running'").pluck().get()
  db.close()
  return pid as number
}

/** What a digit classifier answers to a fixed batch of two, by ONNX Runtime alone. */
async function answers(file: string): Promise<number[]> {
  const session = await InferenceSession.create(file)
  const pixels = Float32Array.from({ length: 2 * 28 * 28 }, (_, i) => Math.sin(i * 0.7))
  const output = await session.run({ [session.inputNames[0]!]: new Tensor('float32', pixels, [2, 1, 28, 28]) })
  return [...(output[session.outputNames[0]!]!.data as Float32Array)]
}
