import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launch, type RunningApp } from './app.ts'
import { hasChromium } from './chromium.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-app-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.runIf(hasChromium()).each(['electron', 'serve'] as const)('through %s', (door) => {
  let app: RunningApp
  beforeAll(async () => {
    app = await launch(door, { folder: join(folder, door), root: [folder] })
  })
  afterAll(() => app?.quit())

  it('opens the window', async () => {
    await app.page.waitForFunction(() => (document.querySelector('#app')?.childElementCount ?? 0) > 0)
    expect(await app.page.title()).toContain('Stillroom')
    expect(app.errors).toEqual([])
    expect(app.strange).toEqual([])
  })
})
