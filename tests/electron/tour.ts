/** The work that a person does in the window, as steps over a Playwright page: shared by the tests and by the screenshots. */
import { relative, sep } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import type { RunningApp } from './app.ts'

/** Names in the side bar. */
export const VIEWS = ['Models', 'Data', 'Plan', 'Run', 'Runs', 'Quantize', 'Benchmark', 'Export', 'Settings', 'Privacy'] as const
export type View = (typeof VIEWS)[number]

/** Training on a loaded machine may take so long, in milliseconds. */
const TRAINING = 480_000

export async function go(page: Page, view: View): Promise<void> {
  // The button of Run also says how many jobs there are.
  await page
    .locator('nav')
    .getByRole('button', { name: new RegExp(`^${view}( |$)`) })
    .click()
  await page.locator('#view-title', { hasText: view }).waitFor()
}

/** Drop a model on the window and wait for its inspector. */
export async function importModel(app: RunningApp, file: string): Promise<void> {
  await app.drop('main', [file])
  await app.page.getByRole('tab', { name: /Layers/ }).waitFor({ timeout: 150_000 })
  await app.page.locator('.row-line').first().waitFor()
}

export async function openBuiltinData(page: Page, name = 'glyphs'): Promise<void> {
  await go(page, 'Data')
  await page.getByRole('button', { name: new RegExp(`Try ${name}`) }).click()
  await page.locator('#sheet').waitFor({ timeout: 60_000 })
}

const byLabel = (page: Page, label: string): Locator => page.getByLabel(label, { exact: true })

export interface PlanChoice {
  teacher?: string
  data: string
  template: string
  method?: string
  /** Into the form's own fields, by label. */
  fields?: Record<string, string>
}

/** Fill the plan in. The catalogue must have arrived before its forms exist. */
export async function makePlan(page: Page, choice: PlanChoice): Promise<void> {
  await go(page, 'Plan')
  await byLabel(page, 'Batch').waitFor({ timeout: 60_000 })
  if (choice.teacher) await byLabel(page, 'Teacher').selectOption({ label: choice.teacher })
  await byLabel(page, 'Data').selectOption({ label: choice.data })
  await page.getByRole('combobox', { name: 'Template', exact: true }).selectOption(choice.template)
  if (choice.method && (await page.locator('article.method').count()) === 0) {
    await page.getByRole('button', { name: /Add from/ }).click()
    await page.getByRole('button', { name: `Add ${choice.method}` }).click()
    await page.getByRole('button', { name: 'Close the catalogue' }).click()
  }
  for (const [label, value] of Object.entries(choice.fields ?? {})) {
    if (!(await byLabel(page, label).isVisible())) await page.getByText('More settings').click()
    await byLabel(page, label).fill(value)
    await byLabel(page, label).blur()
  }
}

/** Start the plan and wait until `steps` steps were seen. */
export async function start(page: Page, steps = 1): Promise<void> {
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await page.locator('#view-title', { hasText: 'Run' }).waitFor()
  await page.waitForFunction(
    (least) => {
      const text = document.querySelector('dl.stats')?.textContent ?? ''
      return Number(/Step\s*([\d,]+) of/.exec(text)?.[1]?.replaceAll(',', '') ?? 0) >= least
    },
    steps,
    { timeout: TRAINING },
  )
}

/**
 * Choose a file or folder by the button that asks for one. On the desktop the native dialog answers; the page's own dialog is walked from the
 * folder that is shown, and takes the folder it ends in.
 */
export async function choose(app: RunningApp, button: Locator, path: string, shown: string): Promise<void> {
  if (app.door === 'electron') {
    await app.answerDialogs([path])
    return button.click()
  }
  await button.click()
  const dialog = app.page.locator('dialog[open]')
  for (const name of [shown, ...relative(shown, path).split(sep).filter(Boolean)])
    await dialog.locator('.list button').filter({ hasText: name }).first().click()
  await dialog.locator('footer .primary').click()
  await dialog.waitFor({ state: 'detached' })
}

/** The word on the run's state. */
export const waitForState = (page: Page, word: string): Promise<void> =>
  page.getByLabel('Progress', { exact: true }).getByRole('status').filter({ hasText: word }).waitFor({ timeout: TRAINING })

/** The number of steps that the run page says were done. */
export const stepsDone = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const text = document.querySelector('dl.stats')?.textContent ?? ''
    return Number(/Step\s*([\d,]+) of/.exec(text)?.[1]?.replaceAll(',', '') ?? 0)
  })

/** Wait until the run on the page has its result. */
export const waitForResult = (page: Page): Promise<void> => page.locator('#result').waitFor({ timeout: TRAINING })

export async function quantize(page: Page): Promise<void> {
  await page
    .locator('section', { has: page.locator('#result') })
    .getByRole('button', { name: 'Quantize' })
    .click()
  await page.locator('main').getByRole('button', { name: 'Quantize', exact: true }).click()
  await page.locator('#quantize-result').waitFor({ timeout: TRAINING })
}

export async function benchmark(page: Page, calls = 20): Promise<void> {
  await page.getByLabel('Measured calls of each').fill(String(calls))
  await page.getByRole('button', { name: 'Measure', exact: true }).click()
  await page.locator('#benchmark-result').waitFor({ timeout: TRAINING })
}
