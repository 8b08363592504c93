/** The views in a real Chromium: none breaks a rule of accessibility, empty or filled, and each is reached by keys. With results in them: flow.test.ts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { go, importModel, makePlan, openBuiltinData, VIEWS } from './tour.ts'
import { violations, violationsInBoth } from './axe.ts'
import { launch, type RunningApp } from './app.ts'
import { hasChromium } from './chromium.ts'
import { tinyModel } from './models.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-views-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
describe.runIf(hasChromium())('the views', () => {
  let app: RunningApp
  let page: Page
  beforeAll(async () => {
    app = await launch('serve', { folder: join(folder, 'store'), root: [folder] })
    page = app.page
  })
  afterAll(() => app?.quit())

  it('break no rule of axe-core, light or dark, empty or filled', async () => {
    const found: string[] = []
    const look = async (what: string): Promise<void> => void found.push(...(await violationsInBoth(page, what)))
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
})
