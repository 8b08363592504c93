/**
 * The main job by keyboard alone, on the desktop: Tab, arrows, Enter, Space, typing, and the keys of the menu. Nothing here may use the mouse, and the
 * focus goes where Tab leads it. Files come through the native dialog, which the double answers.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { sharedData } from '../shared.ts'
import { IN_ELECTRON, launch, type RunningApp } from './app.ts'
import { hasChromium } from './chromium.ts'
import { stepsDone, type View, waitForResult, waitForState } from './tour.ts'

const models = sharedData('models')
const digits = ['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz'].map((name) => sharedData(name))
const folder = mkdtempSync(join(tmpdir(), 'stillroom-keyboard-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Longest way from one control to another that a person would still go. */
const TABS = 120

/** What has the focus: its name as a screen reader says it. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const at = document.activeElement as HTMLInputElement | null
    if (!at || at === document.body) return ''
    const text = at.getAttribute('aria-label') ?? [...(at.labels ?? [])].map((label) => label.textContent).join(' ')
    return (text || at.textContent || '').replace(/\s+/g, ' ').trim()
  })

/** Press Tab until the focus is on something of this name. */
async function tabTo(page: Page, name: RegExp, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  const seen: string[] = []
  for (let i = 0; i < TABS; i++) {
    const now = await focused(page)
    if (name.test(now)) return
    seen.push(now)
    await page.keyboard.press(key)
  }
  throw new Error(`${TABS} times ${key} and no ${name}: ${seen.slice(0, 40).join(' | ')}`)
}

/** Go to a field and choose or write what is typed. */
async function put(page: Page, name: RegExp, text: string): Promise<void> {
  await tabTo(page, name)
  await page.keyboard.press('Control+a')
  await page.keyboard.type(text)
}

/** Choose in a list by the beginning of an entry, as a keyboard does. */
async function pick(page: Page, name: RegExp, beginning: string): Promise<void> {
  await tabTo(page, name)
  await page.keyboard.type(beginning)
  const shown = await page.evaluate(() => (document.activeElement as HTMLSelectElement).selectedOptions[0]?.textContent ?? '')
  expect(shown.toLowerCase()).toContain(beginning.toLowerCase())
}

async function view(page: Page, keys: string, name: View): Promise<void> {
  await page.keyboard.press(keys)
  await page.locator('#view-title', { hasText: name }).waitFor()
  // The heading takes the focus, so that Tab goes on from the top of the view.
  await expect.poll(() => focused(page)).toBe(name)
}

describe.runIf(hasChromium() && !IN_ELECTRON && models && digits.every(Boolean))('by keyboard alone', () => {
  const [data, out] = [join(folder, 'digits'), join(folder, 'out')]
  const teacher = join(folder, 'mnist-burn-cnn.onnx')
  let app: RunningApp
  let page: Page
  let failed = false

  beforeAll(async () => {
    mkdirSync(data)
    mkdirSync(out)
    copyFileSync(join(models!, 'models', 'mnist-burn-cnn.onnx'), teacher)
    for (const file of digits) copyFileSync(file!, join(data, file!.split('/').at(-1)!))
    app = await launch('electron', { folder: join(folder, 'store') })
    page = app.page
    await page.locator('#view-title').waitFor()
  })
  afterAll(() => app?.quit())
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail' && !failed) await page.screenshot({ path: join(tmpdir(), 'stillroom-keyboard.png') })
    failed ||= task.result?.state === 'fail'
    expect(app.errors).toEqual([])
  })
  const step = (name: string, act: () => Promise<void>): void =>
    void it(
      name,
      async ({ skip }) => {
        skip(failed, 'a step before it failed')
        await act()
      },
      600_000,
    )

  step('opens a model, and walks through its layers and graph', async () => {
    await app.answerDialogs([teacher])
    await page.keyboard.press('Control+o')
    await page.locator('.row-line').first().waitFor({ timeout: 150_000 })
    await view(page, 'Control+1', 'Models')
    await tabTo(page, /^Layers/)
    await page.keyboard.press('ArrowRight')
    await tabTo(page, /^Graph of \d+ nodes/)
    await page.locator('.status').waitFor({ state: 'detached' })
    for (const key of ['0', '+', ']', ']', 'ArrowDown']) await page.keyboard.press(key)
    await page.locator('aside h3').waitFor()
    await page.keyboard.press('Control+f')
    expect(await focused(page)).toMatch(/Find a node/)
  })

  step('opens the data', async () => {
    await app.answerDialogs([data])
    await page.keyboard.press('Control+Shift+o')
    await page.locator('#sheet').waitFor({ timeout: 60_000 })
  })

  step('plans a student with a method', async () => {
    await view(page, 'Control+3', 'Plan')
    await page.getByLabel('Batch', { exact: true }).waitFor({ timeout: 60_000 })
    await pick(page, /^Teacher$/, 'mnist-burn')
    await pick(page, /^Data$/, 'digits')
    await pick(page, /^Template/, 'small-cnn')
    await tabTo(page, /^Add from \d+ methods/)
    await page.keyboard.press('Enter')
    await put(page, /Search the catalogue/, 'hinton')
    await tabTo(page, /^Add Soft labels/)
    await page.keyboard.press('Enter')
    await tabTo(page, /More settings/)
    await page.keyboard.press('Enter')
    await put(page, /^Steps$/, '300')
    await put(page, /^Name$/, 'By keys')
    await page.getByText('Less by').waitFor({ timeout: 120_000 })
  })

  step('starts, changes the rate, pauses and resumes', async () => {
    await page.keyboard.press('Control+Enter')
    await page.locator('#view-title', { hasText: 'Run' }).waitFor()
    await expect.poll(() => stepsDone(page), { timeout: 240_000 }).toBeGreaterThan(20)
    await put(page, /^Peak learning rate$/, '0.001')
    await page.keyboard.press('Enter')
    await page.getByText(/peak learning rate 0.001 from step \d+ on/).waitFor({ timeout: 60_000 })
    await page.keyboard.press('Control+.')
    await waitForState(page, 'Paused')
    await page.keyboard.press('Control+Shift+.')
    await waitForResult(page)
  })

  step('quantizes', async () => {
    await view(page, 'Control+6', 'Quantize')
    await tabTo(page, /^Model$/)
    await page.keyboard.press('End')
    await pick(page, /^Data for calibration/, 'digits')
    await page.keyboard.press('Control+Enter')
    await page.locator('#quantize-result').waitFor({ timeout: 240_000 })
  })

  step('benchmarks', async () => {
    await view(page, 'Control+7', 'Benchmark')
    await tabTo(page, /^Model$/)
    await page.keyboard.press('End')
    await pick(page, /^Against$/, 'mnist-burn')
    await put(page, /Measured calls/, '20')
    await page.keyboard.press('Control+Enter')
    await page.locator('#benchmark-result').waitFor({ timeout: 240_000 })
  })

  step('compares two runs', async () => {
    await view(page, 'Control+5', 'Runs')
    await page.locator('.row-line').nth(1).waitFor()
    await tabTo(page, /^Runs: arrow keys move/)
    for (const key of ['Home', 'Space', 'ArrowDown', 'Space']) await page.keyboard.press(key)
    await page.getByText('2 marked', { exact: true }).waitFor()
    await tabTo(page, /^Compare$/, 'Shift+Tab')
    await page.keyboard.press('Enter')
    await page.locator('#compare').waitFor()
  })

  step('exports', async () => {
    await view(page, 'Control+8', 'Export')
    await app.answerDialogs([out])
    await tabTo(page, /^Model$/)
    await page.keyboard.press('End')
    await tabTo(page, /^Choose the folder/)
    await page.keyboard.press('Enter')
    await page.keyboard.press('Control+Enter')
    await page.locator('#export-result').waitFor({ timeout: 240_000 })
    expect(existsSync(join(out, 'model.onnx'))).toBe(true)
  })
})
