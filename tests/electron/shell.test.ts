/** What the desktop's shell does around the page, in the test double with a real Chromium. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { IN_ELECTRON, launch, type RunningApp } from './app.ts'
import { hasChromium } from './chromium.ts'
import { tinyModel } from './models.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-shell-'))
const model = tinyModel(join(folder, 'add.onnx'))
const second = tinyModel(join(folder, 'second.onnx'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Answer {
  ok?: never
  error?: { code: string; message: string }
}
type Bridge = {
  stillroom: { request(name: string, params: unknown): Promise<Answer>; listen(listener: (push: never) => void): void }
}

/** A request as the page sends it, past all of its own code. */
const ask = (app: RunningApp, name: string, params: unknown = {}): Promise<Answer> =>
  app.page.evaluate(([name, params]) => (window as unknown as Bridge).stillroom.request(name as string, params), [name, params])
const inspect = (app: RunningApp, path: string): Promise<Answer> =>
  ask(app, 'call', { id: 'i', command: 'inspect', input: { model: path } })
type Log = { state: { log: [string, unknown][] } }
/** Details of what the app did, of one kind. */
const logged = (app: RunningApp, what: string): Promise<unknown[]> =>
  app.evaluate(({ state }: Log, what: string) => state.log.filter(([kind]) => kind === what).map(([, detail]) => detail), what)
async function until(look: () => Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 900; i++) {
    if (await look()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`waited in vain for ${what}`)
}

const TRAIN = { data: 'builtin:glyphs?samples=400&size=12', student: 'template:mlp', batch: 8, checkpointEvery: 20 }

/** It looks into the double, so there is nothing to see in a real Electron. */
const here = hasChromium() && !IN_ELECTRON

describe.runIf(here)('the desktop', () => {
  let app: RunningApp
  beforeAll(async () => {
    app = await launch('electron', { folder: join(folder, 'store'), args: [model] })
  })
  afterAll(() => app?.quit())

  it('gives the page a bridge and no Node', async () => {
    const seen = await app.page.evaluate(() => ({
      bridge: Object.keys((window as unknown as Bridge).stillroom).sort(),
      frozen: Object.isFrozen((window as unknown as Bridge).stillroom),
      node: ['require', 'process', 'module', 'Buffer', 'global'].filter((name) => name in window),
      double: Object.keys(window).filter((name) => /double/i.test(name)),
      secure: window.isSecureContext,
    }))
    expect(seen).toEqual({ bridge: ['kind', 'listen', 'request', 'takeFiles'], frozen: true, node: [], double: [], secure: true })
    const [options] = (await logged(app, 'window')) as [{ webPreferences: object }]
    expect(options.webPreferences).toMatchObject({
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
    })
  })

  it('lets the page use the model of the command line, and nothing else', async () => {
    expect((await inspect(app, model)).ok).toMatchObject({ nodes: 1 })
    expect((await inspect(app, second)).error).toMatchObject({ code: 'option' })
  })

  it('takes a dropped file, with its real path', async () => {
    const third = tinyModel(join(folder, 'dropped.onnx'))
    await app.drop('#app', [third])
    await until(async () => (await inspect(app, third)).ok !== undefined, 'the dropped file')
    // A File that a script made has no path, and is refused.
    const made = await app.page.evaluate(() =>
      (window as unknown as { stillroom: { takeFiles(files: File[]): Promise<Answer> } }).stillroom.takeFiles([
        new File(['x'], 'dropped.onnx'),
      ]),
    )
    expect(made.error).toMatchObject({ code: 'option' })
  })

  it('asks by native dialogs', async () => {
    const pick = () => ask(app, 'pick', { mode: 'file', kind: 'model', purpose: 'read' })
    await app.answerDialogs([])
    expect((await pick()).ok).toBe(null)
    expect((await inspect(app, second)).error).toBeDefined()
    await app.answerDialogs([second])
    expect((await pick()).ok).toBe(second)
    expect((await inspect(app, second)).ok).toMatchObject({ nodes: 1 })
  })

  it('tells the page what was chosen in the menu', async () => {
    await app.page.evaluate(() => {
      const heard: unknown[] = []
      Object.assign(window, { heard })
      ;(window as unknown as Bridge).stillroom.listen((push) => heard.push(push))
    })
    type Menus = { Menu: { getApplicationMenu(): { getMenuItemById(id: string): { click(): void; accelerator: string } } } }
    const keys = await app.evaluate(({ Menu }: Menus) => {
      const item = Menu.getApplicationMenu().getMenuItemById('show-runs')
      item.click()
      return item.accelerator
    })
    expect(keys).toBe('CmdOrCtrl+5')
    await until(
      () =>
        app.page.evaluate(() =>
          (window as unknown as { heard: { action?: string }[] }).heard.some(({ action }) => action === 'show-runs'),
        ),
      'the menu',
    )
  })

  it('opens the file of a second start', async () => {
    const fourth = tinyModel(join(folder, 'fourth.onnx'))
    await app.evaluate(
      ({ app }: { app: { emit(...args: unknown[]): void } }, path: string) =>
        app.emit('second-instance', {}, ['stillroom', path], '/'),
      fourth,
    )
    await until(async () => (await inspect(app, fourth)).ok !== undefined, 'the file')
  })

  it('takes a theme, and reveals what was chosen', async () => {
    await ask(app, 'settings.set', { changes: { theme: 'dark' } })
    await until(() => app.page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches), 'the dark theme')
    await ask(app, 'settings.set', { changes: { theme: 'system' } })
    expect((await ask(app, 'files.reveal', { path: model })).ok).toBe(null)
    expect((await ask(app, 'files.reveal', { path: '/etc/passwd' })).error).toBeDefined()
    expect(await logged(app, 'reveal')).toEqual([model])
  })

  it('refuses a stranger before it looks at the message', async () => {
    type Ipc = {
      ipcMain: { handlers: Map<string, (event: object, ...args: unknown[]) => unknown> }
      BrowserWindow: { getAllWindows(): { webContents: object }[] }
    }
    const answers = await app.evaluate(async ({ ipcMain, BrowserWindow }: Ipc) => {
      const sender = BrowserWindow.getAllWindows()[0]!.webContents
      const handler = ipcMain.handlers.get('stillroom:request')!
      const ask = async (event: object): Promise<string> => {
        try {
          return JSON.stringify(await handler(event, 'settings.get', {})).slice(0, 4)
        } catch (error) {
          return (error as Error).message
        }
      }
      const page = { url: 'app://stillroom/index.html', parent: null }
      return [
        await ask({ sender, senderFrame: page }),
        await ask({ sender, senderFrame: { ...page, parent: page } }),
        await ask({ sender, senderFrame: { ...page, url: 'https://example.org/' } }),
        await ask({ sender: { id: 99 }, senderFrame: page }),
      ]
    })
    expect(answers[0]).toBe('{"ok')
    expect(answers.slice(1)).toEqual(Array(3).fill('refused: this message is not of our page'))
    const [request, check] = await app.evaluate(
      ({ session }: { session: { defaultSession: Record<string, (...args: unknown[]) => unknown> } }) => {
        let granted: unknown
        session.defaultSession['permissionRequest']!({}, 'media', (answer: unknown) => (granted = answer))
        return [granted, session.defaultSession['permissionCheck']!()]
      },
    )
    expect([request, check]).toEqual([false, false])
  })

  it('runs a job in a process of its own, awake, and tells when it ended unseen', async () => {
    await app.evaluate(({ BrowserWindow }: { BrowserWindow: { getAllWindows(): { blur(): void }[] } }) =>
      BrowserWindow.getAllWindows()[0]!.blur(),
    )
    await ask(app, 'jobs.add', { command: 'train', input: { ...TRAIN, steps: 30 }, title: 'Short training' })
    await until(async () => (await logged(app, 'notification')).length > 0, 'the notification')
    expect(await logged(app, 'notification')).toEqual([{ title: 'Done: Short training', body: '' }])
    expect(await logged(app, 'keep awake')).toEqual(['prevent-app-suspension'])
    await until(async () => (await logged(app, 'let sleep')).length === 1, 'the end of staying awake')
  })

  it('complained of nothing so far, and asked for nothing outside', () => {
    expect(app.errors).toEqual([])
    expect(app.strange).toEqual([])
  })

  it('does not leave for another page, opens no window, runs no inline script and loads nothing from outside', async () => {
    const before = app.page.url()
    await app.page.evaluate(() => {
      window.open('https://example.org/')
      location.href = 'https://example.org/'
    })
    await until(async () => (await logged(app, 'navigation prevented')).length > 0, 'the refusal')
    await until(async () => (await logged(app, 'window.open')).length > 0, 'the window')
    expect(await logged(app, 'window.open')).toEqual(['deny'])
    expect(app.page.url()).toBe(before)
    const tried = await app.page.evaluate(async () => {
      const reports: string[] = []
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => reports.push(effectiveDirective))
      const script = document.createElement('script')
      try {
        script.textContent = 'window.injected = true'
      } catch {
        reports.push('trusted types')
      }
      document.body.append(script)
      const outcome = await fetch('https://example.org/').then(
        () => 'fetched',
        () => 'refused',
      )
      // Later: what the debugger evaluates is allowed what a page is not.
      const evaluated = await new Promise((resolve) =>
        setTimeout(() => {
          try {
            resolve(new Function('return 1')())
          } catch {
            resolve('refused')
          }
        }, 50),
      )
      await new Promise((resolve) => setTimeout(resolve, 100))
      return { outcome, evaluated, injected: 'injected' in window, reports: [...new Set(reports)].sort() }
    })
    expect(tried).toMatchObject({ outcome: 'refused', evaluated: 'refused', injected: false })
    expect(tried.reports).toContain('connect-src')
    expect(
      app.page
        .context()
        .pages()
        .filter((page) => /example/.test(page.url())),
    ).toEqual([])
  })
})

describe.runIf(here)('ends of the program', () => {
  const store = join(folder, 'ends')
  const trainLong = (app: RunningApp): Promise<Answer> =>
    ask(app, 'jobs.add', { command: 'train', input: { ...TRAIN, steps: 100_000 }, title: 'Long' })
  interface Job {
    id: string
    state: string
    resumable: boolean
    run: string
    result: { resumedFromStep?: number } | null
    progress: { payload: { step: number } } | null
  }
  const jobs = async (app: RunningApp): Promise<Job[]> => ((await ask(app, 'jobs.list')).ok as unknown as { jobs: Job[] }).jobs
  const atStep = (app: RunningApp, step: number): Promise<void> =>
    until(async () => ((await jobs(app))[0]?.progress?.payload.step ?? 0) > step, `step ${step}`)

  it('asks before it quits while something runs; what ran can be resumed at the next start', async () => {
    const first = await launch('electron', { folder: store })
    await trainLong(first)
    await ask(first, 'jobs.add', { command: 'train', input: { ...TRAIN, steps: 5 }, title: 'Waits' })
    await atStep(first, 50)
    // "Keep Running" first, then "Quit".
    await first.evaluate(({ dialog, app, state }: { dialog: Record<string, unknown>; app: { quit(): void } } & Log) => {
      let asked = 0
      dialog['showMessageBox'] = (...args: unknown[]) => {
        state.log.push(['question', args.at(-1)])
        return Promise.resolve({ response: asked++ === 0 ? 1 : 0 })
      }
      app.quit()
    })
    await until(async () => (await logged(first, 'question')).length === 1, 'the question')
    expect((await jobs(first))[0]!.state).toBe('running')
    await first.quit()

    const second = await launch('electron', { folder: store })
    await until(async () => (await jobs(second)).some(({ state }) => state === 'done'), 'what waited')
    const [, interrupted] = (await jobs(second)).sort((a, b) => a.state.localeCompare(b.state))
    expect(interrupted).toMatchObject({ state: 'interrupted', resumable: true })
    await ask(second, 'jobs.resume', { id: interrupted!.id })
    await until(async () => ((await jobs(second))[0]?.progress?.payload.step ?? 0) > 50, 'the resumed run')
    await second.quit()
  })

  it('shows a run whose host was killed as interrupted, and resumes it', async () => {
    const app = await launch('electron', { folder: join(folder, 'killed') })
    await trainLong(app)
    await atStep(app, 50)
    const { run } = (await jobs(app))[0]!
    const shown = (await ask(app, 'call', { id: 'l', command: 'runs.list', input: {} })).ok as unknown as {
      runs: { id: string; pid: number }[]
    }
    process.kill(shown.runs.find(({ id }) => id === run)!.pid, 'SIGKILL')
    await until(async () => (await jobs(app))[0]?.state === 'interrupted', 'the interruption')
    const { id, resumable } = (await jobs(app))[0]!
    expect(resumable).toBe(true)
    await ask(app, 'jobs.resume', { id })
    await until(
      async () => (await jobs(app))[0]?.state === 'running' && ((await jobs(app))[0]?.progress?.payload.step ?? 0) > 20,
      'the resumed run',
    )
    expect((await jobs(app))[0]!.run).toBe(run)
    await app.quit()
  })

  it('finds its queue and its choices again after it was killed', async () => {
    const killed = join(folder, 'power-cut')
    const first = await launch('electron', { folder: killed, args: [model] })
    expect((await inspect(first, model)).ok).toBeDefined()
    await trainLong(first)
    await atStep(first, 30)
    await first.kill()
    const second = await launch('electron', { folder: killed })
    expect((await jobs(second))[0]).toMatchObject({ state: 'interrupted', resumable: true })
    expect((await inspect(second, model)).ok).toMatchObject({ nodes: 1 })
    await second.quit()
  })

  it('leaves at once when another instance has the window', async () => {
    await expect(launch('electron', { folder: store, env: { DOUBLE_SECOND: '1' } })).rejects.toThrow('ended with code 0')
  })

  it('says so and leaves when its store is open elsewhere', async () => {
    const held = join(folder, 'held')
    mkdirSync(join(held, 'app'), { recursive: true })
    writeFileSync(join(held, 'app', 'lock'), JSON.stringify({ pid: 1, start: null, machine: 'elsewhere' }))
    await expect(launch('electron', { folder: held })).rejects.toThrow('ended with code 1')
    expect(JSON.parse(readFileSync(join(held, 'app', 'lock'), 'utf8'))).toMatchObject({ pid: 1 })
  })
})
