/**
 * The app for tests, through either front door: the desktop's (a test double of Electron, or a real Electron where STILLROOM_APP_IN=electron), or the
 * browser's. What a test sees of it is a Playwright page.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { _electron, type Browser, chromium, type ConsoleMessage, type Page } from 'playwright-core'
import { electronBinary } from '../../scripts/start.ts'
import { REPOSITORY } from '../shared.ts'
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts'
import { traced } from './sockets.ts'

export interface LaunchOptions {
  /** Folder of the run store, which a test keeps between two starts. */
  folder: string
  /** Folders that the browser door shows; the desktop asks by its dialog. */
  root?: readonly string[]
  /** Folders that receive results, likewise. */
  out?: readonly string[]
  /** Further words of the command line, e.g. a model to open. */
  args?: readonly string[]
  /** The app to start: a folder with a package file. This repository when absent. */
  app?: string
  env?: Record<string, string>
  /** File that receives a trace of the system calls that open or use sockets, of the program and all its children; needs strace. See `foreignSockets`. */
  trace?: string
}

export interface RunningApp {
  readonly door: 'electron' | 'serve'
  readonly page: Page
  /** Errors and policy reports of the page's console, so far. */
  readonly errors: string[]
  /** Addresses that the page asked for outside of the app, so far. */
  readonly strange: string[]
  /** Process id of the program: the main process or the server. */
  readonly pid: number
  /** Drop files on an element. */
  drop(selector: string, paths: readonly string[]): Promise<void>
  /** What the next native dialogs answer (desktop); the browser door has its own dialog in the page. */
  answerDialogs(paths: readonly string[]): Promise<void>
  /** Run a function in the main process (desktop): it gets the `electron` module, with `state` in the double. */
  evaluate<T, A>(code: (electron: never, arg: A) => T | Promise<T>, arg?: A): Promise<T>
  /** Quit as a person does, and wait. */
  quit(): Promise<void>
  /** End the program at once, as a power cut would. */
  kill(): Promise<void>
}

/** Whether the desktop's door is a real Electron (`npm run test:electron`) instead of its double. */
export const IN_ELECTRON = process.env['STILLROOM_APP_IN'] === 'electron'

const DOUBLE = join(import.meta.dirname, 'double')

/** Start the app and wait for its page. */
export const launch = (door: 'electron' | 'serve', options: LaunchOptions): Promise<RunningApp> =>
  door === 'serve' ? launchServer(options) : IN_ELECTRON ? launchElectron(options) : launchDouble(options)

const environment = ({ folder, env }: LaunchOptions): NodeJS.ProcessEnv => {
  mkdirSync(folder, { recursive: true })
  return { ...process.env, STILLROOM_STORE: join(folder, 'store.sqlite'), ...env }
}
const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()))

/** Collect what a page complains about and asks for. */
function watch(page: Page, ours: RegExp): Pick<RunningApp, 'errors' | 'strange'> {
  const [errors, strange]: [string[], string[]] = [[], []]
  page.on('console', (message: ConsoleMessage) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('request', (request) => {
    if (!ours.test(request.url())) strange.push(request.url())
  })
  return { errors, strange }
}

/** A drop as the system makes it, with real files. */
async function dropOn(page: Page, selector: string, paths: readonly string[]): Promise<void> {
  const box = await page.locator(selector).boundingBox()
  if (!box) throw new Error(`there is nothing at ${selector} to drop on`)
  const session = await page.context().newCDPSession(page)
  const data = { items: [], files: [...paths], dragOperationsMask: 1 }
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: box.x + box.width / 2, y: box.y + box.height / 2, data })
  await session.detach()
}

async function launchDouble(options: LaunchOptions): Promise<RunningApp> {
  const node = [process.execPath, '--import', join(DOUBLE, 'register.ts')]
  const [file, ...words] = options.trace === undefined ? node : traced(options.trace, node)
  const child = fork(join(DOUBLE, 'launch.ts'), [options.app ?? REPOSITORY, ...(options.args ?? [])], {
    execPath: file!,
    execArgv: words,
    env: environment(options),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const gone = new Promise<never>((_, reject) =>
    child.once('exit', (code) => reject(new Error(`the app ended with code ${code} before its window opened`))),
  )
  gone.catch(() => undefined)
  const ready = new Promise<string>((resolve) =>
    child.on('message', (message: { kind: string; endpoint: string }) => message.kind === 'ready' && resolve(message.endpoint)),
  )
  // An app that ends takes its browser along, and that may be seen before the app's own end, which says more.
  const orItsEnd = (error: Error): Promise<never> =>
    Promise.race([gone, new Promise<never>((_, reject) => setTimeout(() => reject(error), 5000))])
  const browser = await Promise.race([ready.then((endpoint) => chromium.connectOverCDP(endpoint)), gone]).catch(orItsEnd)
  const page = await Promise.race([pageAt(browser, /stillroom\.app\.invalid/), gone]).catch(orItsEnd)
  let calls = 0
  const evaluate: RunningApp['evaluate'] = (code, arg) => {
    const id = ++calls
    return new Promise((resolve, reject) => {
      const heard = (message: { kind: string; id: number; ok: never; error?: string }): void => {
        if (message.kind !== 'evaluated' || message.id !== id) return
        child.off('message', heard)
        if (message.error === undefined) resolve(message.ok)
        else reject(new Error(message.error))
      }
      child.on('message', heard)
      child.send({ kind: 'evaluate', id, code: String(code), arg }, (error) => error && reject(error))
    })
  }
  return {
    door: 'electron',
    page,
    ...watch(page, /^https:\/\/stillroom\.app\.invalid\/|^(data|blob):/),
    pid: child.pid!,
    async drop(selector, paths) {
      // Before the page is there, nothing would keep what is announced to it.
      await page.locator(selector).waitFor()
      await evaluate(announce, [...paths])
      await dropOn(page, selector, paths)
    },
    answerDialogs: (paths) => evaluate(answerDialogs, [...paths]),
    evaluate,
    async quit() {
      if (child.exitCode !== null || !child.connected) return ended(child)
      await evaluate(({ app }: { app: { quit(): void } }) => app.quit()).catch(() => undefined)
      await ended(child)
    },
    async kill() {
      child.kill('SIGKILL')
      await ended(child)
      await browser.close().catch(() => undefined)
    },
  }
}

/** A real Electron, which Playwright drives itself; paths of dropped files are the system's. */
async function launchElectron(options: LaunchOptions): Promise<RunningApp> {
  const executablePath = electronBinary()
  if (!executablePath) throw new Error('Electron has no program on this machine')
  const env = Object.fromEntries(
    Object.entries(environment(options)).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  const electron = await _electron.launch({ executablePath, args: [options.app ?? REPOSITORY, ...(options.args ?? [])], env })
  const page = await electron.firstWindow()
  await page.waitForURL(/^app:\/\/stillroom\//)
  const evaluate: RunningApp['evaluate'] = (code, arg) => electron.evaluate(code as never, arg as never)
  return {
    door: 'electron',
    page,
    ...watch(page, /^app:\/\/stillroom\/|^(data|blob):/),
    pid: electron.process().pid!,
    drop: (selector, paths) => dropOn(page, selector, paths),
    answerDialogs: (paths) => evaluate(answerDialogs, [...paths]),
    evaluate,
    async quit() {
      await evaluate(answerQuestion).catch(() => undefined)
      await electron.close()
    },
    async kill() {
      electron.process().kill('SIGKILL')
      await ended(electron.process())
    },
  }
}

const answerQuestion = ({ dialog }: Dialogs): void => {
  dialog['showMessageBox'] = () => Promise.resolve({ response: 0 })
}
type Dialogs = { dialog: Record<string, unknown> }
const answerDialogs = ({ dialog }: Dialogs, filePaths: string[]): void => {
  dialog['showOpenDialog'] = () => Promise.resolve({ canceled: filePaths.length === 0, filePaths })
  dialog['showSaveDialog'] = () => Promise.resolve({ canceled: filePaths.length === 0, filePath: filePaths[0] ?? '' })
}
type Windows = { BrowserWindow: { getAllWindows(): { webContents: { announceFiles(paths: string[]): Promise<void> } }[] } }
const announce = async ({ BrowserWindow }: Windows, paths: string[]): Promise<void> => {
  for (const { webContents } of BrowserWindow.getAllWindows()) await webContents.announceFiles(paths)
}

/** The page at an address, once it is there. */
async function pageAt(browser: Browser, address: RegExp): Promise<Page> {
  for (let i = 0; i < 1200; i++) {
    const page = browser
      .contexts()
      .flatMap((context) => context.pages())
      .find((one) => address.test(one.url()))
    if (page) return page
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`no page at ${address} within a minute`)
}

async function launchServer(options: LaunchOptions): Promise<RunningApp> {
  const folders = (flag: string, paths: readonly string[] = []): string[] => paths.flatMap((path) => [flag, path])
  const words = ['serve', '--json', ...folders('--root', options.root), ...folders('--out', options.out), ...(options.args ?? [])]
  const program = [process.execPath, join(REPOSITORY, 'cli', 'main.ts'), ...words]
  const [file, ...rest] = options.trace === undefined ? program : traced(options.trace, program)
  const child = spawn(file!, rest, {
    env: environment(options),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await new Promise<string>((resolve, reject) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more
      if (text.includes('\n')) resolve((JSON.parse(text) as { url: string }).url)
    })
    child.once('exit', (code) => reject(new Error(`serve ended with code ${code}: ${text}`)))
  })
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS, chromiumSandbox: false })
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage()
  const watched = watch(page, new RegExp(`^(http|ws)://127\\.0\\.0\\.1:${new URL(url).port}/|^(data|blob):`))
  await page.goto(url)
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    // The page says on its console that the server is gone; that is no complaint of ours.
    page.removeAllListeners('console')
    child.kill(signal)
    await ended(child)
    await browser.close()
  }
  return {
    door: 'serve',
    page,
    ...watched,
    pid: child.pid!,
    drop: (selector, paths) => dropOn(page, selector, paths),
    answerDialogs: () => Promise.reject(new Error('the browser door has no native dialogs')),
    evaluate: () => Promise.reject(new Error('the browser door has no Electron')),
    quit: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}
