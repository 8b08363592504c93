import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { BrowserContext, CDPSession, Frame, Page } from 'playwright-core'
import { fromChromium, toChromium } from './chromium.ts'
import { ipcMain } from './ipcMain.ts'
import { installBridge, installPreload } from './page.ts'
import { state } from './state.ts'

const WORLD = 'preload'
let windows = 0

/** An event that listeners may prevent. */
export const preventable = <T extends object>(fields: T) => {
  const event = { ...fields, defaultPrevented: false, preventDefault: () => void (event.defaultPrevented = true) }
  return event
}

/** One page of Chromium as Electron's `WebContents`: the preload runs in an isolated world of its own, as it does there. */
export class WebContents extends EventEmitter {
  readonly id = ++windows
  page: Page | undefined
  #session: CDPSession | undefined
  #context: string | undefined
  #names = { binding: '', deliver: '' }
  #sending: Promise<unknown> = Promise.resolve()
  #openHandler: (details: { url: string }) => { action: string } = () => ({ action: 'allow' })
  readonly #preload: string | undefined

  constructor(preload: string | undefined) {
    super()
    this.#preload = preload
  }

  send(channel: string, ...args: unknown[]): void {
    this.#deliver({ kind: 'event', channel, args })
  }

  setWindowOpenHandler(handler: (details: { url: string }) => { action: string }): void {
    this.#openHandler = handler
  }

  isDestroyed(): boolean {
    return this.page?.isClosed() ?? false
  }

  getURL(): string {
    return fromChromium(this.page?.url() ?? '')
  }

  reload(): void {
    void this.page?.reload()
  }

  /** For tests: what `webUtils.getPathForFile` answers for files that are about to be dropped. */
  async announceFiles(paths: readonly string[]): Promise<void> {
    const files = paths.map((path) => {
      return { key: `${basename(path)}|${statSync(path).size}`, path }
    })
    this.#deliver({ kind: 'files', files })
    await this.#sending
  }

  /** Load an address, after putting both halves of the bridge in place of every page to come. */
  async open(context: BrowserContext, url: string): Promise<void> {
    const token = `double${randomBytes(12).toString('hex')}`
    this.#names = { binding: `${token}send`, deliver: `${token}deliver` }
    const page = context.pages().find((one) => one.url() === 'about:blank') ?? (await context.newPage())
    this.page = page
    page.on('close', () => this.emit('destroyed'))
    page.on('crash', () => this.emit('render-process-gone', {}, { reason: 'crashed' }))
    page.on('popup', (popup) => {
      const { action } = this.#openHandler({ url: fromChromium(popup.url()) })
      state.log.push(['window.open', action])
      if (action === 'deny') void popup.close()
    })
    const session = await context.newCDPSession(page)
    this.#session = session
    await session.send('Runtime.enable')
    await session.send('Page.enable')
    session.on('Runtime.executionContextCreated', ({ context: { name, uniqueId } }) => {
      if (name === WORLD) this.#context = uniqueId
    })
    session.on('Runtime.bindingCalled', ({ name, payload }) => {
      if (name === this.#names.binding) void this.#receive(JSON.parse(payload) as { id: number; channel: string; args: unknown[] })
    })
    await session.send('Runtime.addBinding', { name: this.#names.binding, executionContextName: WORLD })
    const top = (text: string): string => `if (window === window.top && location.protocol !== 'about:') { ${text} }`
    const preload = this.#preload === undefined ? '' : readFileSync(this.#preload, 'utf8')
    const bridge = (role: string): string => `(${String(installBridge)})('${role}', '${token}');`
    await session.send('Page.addScriptToEvaluateOnNewDocument', { source: top(bridge('page')) })
    await session.send('Page.addScriptToEvaluateOnNewDocument', {
      source: top(
        `${bridge('preload')} (${String(installPreload)})('${this.#names.binding}', '${this.#names.deliver}', function (require, module, exports) { ${preload}\n });`,
      ),
      worldName: WORLD,
    })
    this.emit('did-start-navigation', { url, isMainFrame: true, isSameDocument: false })
    await page.goto(toChromium(url))
  }

  /** Ask the app about a navigation that did not come from it. */
  mayNavigate(frame: Frame, url: string): boolean {
    const isMainFrame = frame === this.page?.mainFrame()
    const event = preventable({ url, isMainFrame })
    this.emit('will-frame-navigate', event)
    if (isMainFrame) this.emit('will-navigate', event)
    if (event.defaultPrevented) state.log.push(['navigation prevented', url])
    else if (isMainFrame) this.emit('did-start-navigation', { url, isMainFrame, isSameDocument: false })
    return !event.defaultPrevented
  }

  /** A message of the preload, answered by the handler of its channel. */
  async #receive({ id, channel, args }: { id: number; channel: string; args: unknown[] }): Promise<void> {
    const url = this.getURL()
    const event = { sender: this, senderFrame: { url, origin: new URL(url).origin, parent: null }, processId: 1, frameId: 1 }
    try {
      const handler = ipcMain.handlers.get(channel)
      if (!handler) throw new Error(`No handler registered for '${channel}'`)
      this.#deliver({ kind: 'reply', id, channel, ok: await handler(event, ...args) })
    } catch (error) {
      this.#deliver({ kind: 'reply', id, channel, error: String(error) })
    }
  }

  /** In order, to the preload's world of the page that is there when its turn comes. */
  #deliver(message: object): void {
    this.#sending = this.#sending.then(async () => {
      if (!this.#session || !this.#context || this.isDestroyed()) return
      const expression = `globalThis['${this.#names.deliver}'](${JSON.stringify(message)})`
      await this.#session.send('Runtime.evaluate', { expression, uniqueContextId: this.#context }).catch(() => undefined)
    })
  }
}
