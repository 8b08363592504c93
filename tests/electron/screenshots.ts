/**
 * `npm run screenshots`: every view from real runs on data that the program draws itself, light and dark, in two sizes. Those of
 * 1280 x 800 go to docs/screenshots, the larger ones to dist/screenshots.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { launch } from './app.ts'
import { hasChromium } from './chromium.ts'
import { REPOSITORY } from '../shared.ts'
import { benchmark, go, importModel, makePlan, openBuiltinData, quantize, start, waitForResult } from './tour.ts'

const SIZES = [
  { width: 1280, height: 800, folder: join(REPOSITORY, 'docs', 'screenshots') },
  { width: 1920, height: 1080, folder: join(REPOSITORY, 'dist', 'screenshots') },
]

/** One view in each size and each scheme, from its top or from a part of it on. */
async function shoot(page: Page, name: string, part?: string): Promise<void> {
  for (const { width, height, folder } of SIZES) {
    mkdirSync(folder, { recursive: true })
    await page.setViewportSize({ width, height })
    await page.locator('main').evaluate((main, part) => {
      const section = part && document.querySelector(part)?.closest('section')
      main.scrollTo(0, section ? section.getBoundingClientRect().top + main.scrollTop - 24 : 0)
    }, part)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await page.waitForTimeout(700)
      const png = await page.screenshot()
      await sharp(png)
        .png({ palette: true, colours: 128 })
        .toFile(join(folder, `${name}-${colorScheme}.png`))
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 })
  process.stdout.write(`${name}\n`)
}

async function main(): Promise<void> {
  if (!hasChromium()) return
  const folder = mkdtempSync(join(tmpdir(), 'stillroom-screenshots-'))
  const store = join(folder, 'store', 'store.sqlite')
  const out = join(folder, 'out')
  mkdirSync(out, { recursive: true })
  const train = [
    'train',
    '--data',
    'builtin:glyphs?samples=4000',
    '--student',
    'template:resnet-8',
    '--steps',
    '120',
    '--store',
    store,
  ]
  const { status } = spawnSync(process.execPath, [join(REPOSITORY, 'cli', 'main.ts'), ...train, '--out', join(folder, 'teacher')], {
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('the teacher could not be trained')
  const teacher = join(folder, 'teacher.onnx')
  copyFileSync(join(folder, 'teacher', 'model.onnx'), teacher)

  const app = await launch('serve', { folder: join(folder, 'store'), root: [folder], out: [out] })
  const { page } = app
  try {
    await shoot(page, 'models-empty')
    await importModel(app, teacher)
    await page.getByRole('button', { name: 'Time the layers' }).click()
    await page.getByRole('button', { name: 'Time again' }).waitFor({ timeout: 120_000 })
    await shoot(page, 'models')
    await page.getByRole('tab', { name: 'Graph' }).click()
    await page.getByLabel(/Find a node/).fill('Conv')
    await page.getByText(/^[1-9]\d* found$/).waitFor({ timeout: 60_000 })
    await page.keyboard.press('Enter')
    await page.getByRole('img', { name: /Distribution/ }).waitFor({ timeout: 60_000 })
    await shoot(page, 'graph')
    await openBuiltinData(page)
    await shoot(page, 'data')

    await makePlan(page, {
      teacher: 'teacher.onnx',
      data: 'builtin:glyphs',
      template: 'small-cnn',
      method: 'Soft labels',
      fields: { Epochs: '2', 'Eval every': '20' },
    })
    await page.getByText('Less by').waitFor({ timeout: 120_000 })
    await shoot(page, 'plan')
    await start(page, 100)
    await shoot(page, 'run')
    await waitForResult(page)
    await shoot(page, 'run-done')
    await makePlan(page, { data: 'builtin:glyphs', template: 'mlp', fields: { Epochs: '2', 'Eval every': '20' } })
    await start(page)
    await waitForResult(page)

    await go(page, 'Runs')
    await page.locator('.row-line').first().waitFor()
    await page.locator('.row-line').first().click()
    await shoot(page, 'runs')
    for (const box of await page.getByLabel('Mark', { exact: true }).all()) await box.check()
    await page.getByRole('button', { name: 'Pareto chart' }).click()
    await page.getByRole('button', { name: 'Compare' }).click()
    await page.locator('#compare').waitFor()
    await shoot(page, 'compare')

    await page.locator('.row-line').nth(1).click()
    await page.locator('aside').getByRole('button', { name: 'Open' }).click()
    await waitForResult(page)
    await page.getByRole('button', { name: 'Compare on samples' }).click()
    await page.locator('.sample').first().waitFor({ timeout: 120_000 })
    await shoot(page, 'samples', '#samples')
    await quantize(page)
    await shoot(page, 'quantize')
    await shoot(page, 'quantize-graph', '#quantize-graph')
    await go(page, 'Benchmark')
    await page.getByLabel('Model', { exact: true }).selectOption({ index: 2 })
    await page.getByLabel('Against', { exact: true }).selectOption({ label: 'teacher.onnx' })
    await benchmark(page)
    await shoot(page, 'benchmark')
    await go(page, 'Export')
    await page.getByLabel('Model', { exact: true }).selectOption({ index: 2 })
    await page.getByRole('button', { name: 'Choose the folder' }).click()
    await page.locator('dialog .list button', { hasText: 'out' }).click()
    await page.locator('dialog .primary').click()
    await page.locator('main').getByRole('button', { name: 'Export', exact: true }).click()
    await page.locator('#export-result').waitFor({ timeout: 240_000 })
    await shoot(page, 'export')
    await go(page, 'Settings')
    await page.getByText('Instructions').waitFor({ timeout: 60_000 })
    await shoot(page, 'settings')
    await go(page, 'Privacy')
    await page.getByText('Measured:').waitFor({ timeout: 60_000 })
    await shoot(page, 'privacy')
    if (app.errors.length > 0) throw new Error(`the page complained: ${app.errors.join('; ')}`)
  } catch (error) {
    await page.screenshot({ path: join(tmpdir(), 'stillroom-screenshot-failed.png') })
    throw error
  } finally {
    await app.quit()
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
