import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { foreignSockets, hasStrace, IN_ELECTRON, launch, type RunningApp } from './app.ts'
import { hasChromium } from './chromium.ts'
import { tinyModel } from './models.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-app-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.runIf(hasChromium()).each(['electron', 'serve'] as const)('through %s', (door) => {
  let app: RunningApp
  const trace = join(folder, `${door}.trace`)
  const traces = hasStrace() && !(IN_ELECTRON && door === 'electron')
  beforeAll(async () => {
    app = await launch(door, { folder: join(folder, door), root: [folder], ...(traces ? { trace } : {}) })
  })

  it('opens the window', async () => {
    await app.page.waitForFunction(() => (document.querySelector('#app')?.childElementCount ?? 0) > 0)
    expect(await app.page.title()).toContain('Stillroom')
    expect(app.errors).toEqual([])
    expect(app.strange).toEqual([])
  })

  it('inspects a model in an engine host, and quits', async () => {
    const model = tinyModel(join(folder, `${door}.onnx`))
    await app.drop('#app', [model])
    await app.page.getByText(`${door}.onnx`).first().waitFor()
    expect(app.errors).toEqual([])
    await app.quit()
  })

  it.runIf(traces)('opened no socket to another machine', () => expect(foreignSockets(trace)).toEqual([]))
})
