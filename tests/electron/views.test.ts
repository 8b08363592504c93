/** The views in a real Chromium: no view breaks a rule of accessibility, the work is done by keyboard alone, and drawing stays quick. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore } from '../../engine/runs/index.ts'
import { go, importModel, makePlan, openBuiltinData, VIEWS } from './tour.ts'
import { launch, type RunningApp } from './app.ts'
import { hasChromium } from './chromium.ts'
import { chainModel, tinyModel } from './models.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-views-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Violation {
  id: string
  nodes: { target: string[] }[]
}

/** What axe-core finds on the page. It comes in by the debugger: the page's policy refuses scripts. */
async function violations(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page)
  await session.send('Runtime.evaluate', { expression: axe })
  const expression = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => JSON.stringify(violations))"
  const { result } = await session.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
  await session.detach()
  const found = JSON.parse(result.value as string) as Violation[]
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}

/** Processor time that the page's main thread spends on something, in milliseconds: what it would take on a machine that is not busy. */
async function meter(page: Page): Promise<(act: () => Promise<unknown>) => Promise<number>> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  const spent = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics')
    return 1000 * metrics.find(({ name }) => name === 'TaskDuration')!.value
  }
  return async (act) => {
    const before = await spent()
    await act()
    return (await spent()) - before
  }
}
/** A frame is drawn at the latest when the next one begins. */
const frame = (page: Page): Promise<void> =>
  page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))))
const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]!

describe.runIf(hasChromium())('the views', () => {
  let app: RunningApp
  let page: Page
  beforeAll(async () => {
    const store = join(folder, 'store')
    mkdirSync(store, { recursive: true })
    fillStore(join(store, 'store.sqlite'))
    app = await launch('serve', { folder: store, root: [folder] })
    page = app.page
  })
  afterAll(() => app?.quit())

  it('break no rule of axe-core, light or dark, empty or filled', async () => {
    const found: string[] = []
    const look = async (what: string): Promise<void> => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        found.push(...(await violations(page)).map((line) => `${what}, ${colorScheme}: ${line}`))
      }
    }
    await look('Models, empty')
    await importModel(app, tinyModel(join(folder, 'tiny.onnx')))
    for (const tab of ['Graph', 'Blockers', 'File', 'Layers']) {
      await page.getByRole('tab', { name: tab }).click()
      await look(`Models, ${tab}`)
    }
    await go(page, 'Data')
    await look('Data, empty')
    await openBuiltinData(page)
    await makePlan(page, { data: 'builtin:glyphs', template: 'mlp' })
    for (const view of VIEWS) {
      await go(page, view)
      await look(view)
    }
    await page.keyboard.press('Control+k')
    await look('the palette')
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+/')
    await look('the shortcuts')
    await page.keyboard.press('Escape')
    expect(found).toEqual([])
    expect(app.errors).toEqual([])
    expect(app.strange).toEqual([])
  }, 600_000)

  it('are told apart by axe-core from a page that breaks a rule', async () => {
    await page.evaluate(() => document.querySelector('nav')!.append(document.createElement('button')))
    expect((await violations(page)).join()).toMatch(/button-name/)
    await page.reload()
    await page.locator('nav').waitFor()
  })

  it('are all reached by keys', async () => {
    for (const [i, view] of VIEWS.slice(0, 8).entries()) {
      await page.keyboard.press(`Control+${i + 1}`)
      await page.locator('#view-title', { hasText: view }).waitFor()
    }
    await page.keyboard.press('Control+k')
    await page.keyboard.type('privacy')
    await page.keyboard.press('Enter')
    await page.locator('#view-title', { hasText: 'Privacy' }).waitFor()
    await page.keyboard.press('Control+,')
    await page.locator('#view-title', { hasText: 'Settings' }).waitFor()
  })

  it('filter 5,000 runs in under 100 ms', async () => {
    await page.keyboard.press('Control+5')
    await page.getByText('5000 of 5000').waitFor({ timeout: 60_000 })
    const cost = await meter(page)
    const took: number[] = []
    for (const text of ['width-4', 'dot', 'no such run', ''])
      took.push(
        await cost(() =>
          page
            .locator('input[type=search]')
            .fill(text)
            .then(() => frame(page)),
        ),
      )
    expect(Math.max(...took)).toBeLessThan(100)
    await page.locator('input[type=search]').fill('width-4242')
    await page.getByText('1 of 5000').waitFor()
  })

  it('pan a graph of 10,000 nodes at 8 ms of main-thread work a frame', async () => {
    await page.keyboard.press('Control+1')
    await importModel(app, chainModel(join(folder, 'long.onnx'), 10_000))
    await page.getByRole('tab', { name: 'Graph' }).click()
    await page.getByLabel('Collapse repeated blocks').uncheck()
    await page.locator('.status').waitFor()
    await page.locator('.status').waitFor({ state: 'detached', timeout: 150_000 })
    const cost = await meter(page)
    const idle = await cost(() => frame(page))
    const box = (await page.locator('canvas').boundingBox())!
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]
    const frames: number[] = []
    for (const key of ['0', '+', '+', '+', '+', '+', '+']) {
      await page.locator('canvas').press(key)
      await page.mouse.move(x, y)
      await page.mouse.down()
      for (let i = 1; i <= 15; i++) frames.push(await cost(() => page.mouse.move(x + i * 3, y - i * 9).then(() => frame(page))))
      await page.mouse.up()
    }
    process.stdout.write(
      `panning 10,000 nodes: ${quantile(frames, 0.95).toFixed(1)} ms at the 95th percentile, idle ${idle.toFixed(1)} ms\n`,
    )
    expect(quantile(frames, 0.95) - idle).toBeLessThan(8)
  }, 400_000)

  it('draw a run of 100,000 points in 8 ms of main-thread work an update', async () => {
    await page.keyboard.press('Control+5')
    await page.locator('input[type=search]').fill('long-run')
    await page.locator('.row-line').first().click()
    await page.locator('aside').getByRole('button', { name: 'Open' }).click()
    await page.locator('#chart-loss').waitFor()
    await page.waitForTimeout(1500)
    const cost = await meter(page)
    const idle = await cost(() => frame(page))
    const updates: number[] = []
    // The page's own event redraws its charts as a live step does.
    for (let i = 0; i < 20; i++)
      updates.push(await cost(() => page.evaluate(() => dispatchEvent(new Event('stillroom-redraw'))).then(() => frame(page))))
    process.stdout.write(
      `a run of 100,000 points: ${quantile(updates, 0.95).toFixed(1)} ms an update, idle ${idle.toFixed(1)} ms\n`,
    )
    expect(quantile(updates, 0.95) - idle).toBeLessThan(8)
  })
})

/** 5,000 runs, and one of them with 100,000 points; in one transaction, since the store flushes each of its own. */
function fillStore(path: string): void {
  openStore(path).close()
  const db = new Database(path)
  const run = db.prepare(
    "INSERT INTO runs (id, kind, status, created, recipe, engineVersion, seed, models, result, name) VALUES (?, 'distill', 'done', ?, ?, 'test', 0, '{}', ?, ?)",
  )
  const point = db.prepare("INSERT INTO metrics (run, split, name, step, value) VALUES (?, 'train', 'total', ?, ?)")
  db.transaction(() => {
    for (let i = 0; i < 5000; i++) {
      const recipe = { student: `width-${i}`, data: 'd', method: [i % 3 ? 'hinton-kd' : 'dot'], teacher: 't.onnx' }
      const metrics = { test: { top1: { value: 0.5 + (i % 100) / 250 } } }
      const result = { metrics, student: { parameters: 1000 + i, bytes: 4000 + i, macs: 100 * i } }
      const created = new Date(Date.UTC(2026, 0, 1) + i * 60_000).toISOString()
      run.run(String(i).padStart(14, '0'), created, JSON.stringify(recipe), JSON.stringify(result), i === 4999 ? 'long-run' : '')
    }
    for (let step = 0; step < 100_000; step++) point.run('00000000004999', step, 2 + Math.cos(step / 1000))
  })()
  db.close()
}
