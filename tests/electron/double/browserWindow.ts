import { EventEmitter } from 'node:events'
import type { BrowserContext } from 'playwright-core'
import { state } from './state.ts'
import { preventable, WebContents } from './webContents.ts'

const everyContents = new EventEmitter()
/** Listeners of `web-contents-created`, which the app passes on. */
export const onContents = (listener: (contents: WebContents) => void): void => void everyContents.on('created', listener)

let context: Promise<BrowserContext> | undefined
/** Told by the app once Chromium is starting. */
export const useContext = (started: Promise<BrowserContext>): void => void (context = started)

interface Options {
  webPreferences?: { preload?: string }
}

/** A window: a page of Chromium without a frame. */
export class BrowserWindow extends EventEmitter {
  static readonly all = new Set<BrowserWindow>()
  static getAllWindows(): BrowserWindow[] {
    return [...BrowserWindow.all]
  }

  readonly webContents: WebContents
  readonly options: Options
  #focused = true
  #maximized = false

  constructor(options: Options = {}) {
    super()
    this.options = options
    this.webContents = new WebContents(options.webPreferences?.preload)
    BrowserWindow.all.add(this)
    state.log.push(['window', options])
    everyContents.emit('created', this.webContents)
    this.webContents.on('destroyed', () => {
      BrowserWindow.all.delete(this)
      this.emit('closed')
    })
  }

  async loadURL(url: string): Promise<void> {
    await this.webContents.open(await context!, url)
    this.emit('ready-to-show')
  }

  /** Listeners may prevent it. */
  close(): void {
    const event = preventable({})
    this.emit('close', event)
    if (event.defaultPrevented) return
    if (this.webContents.page) void this.webContents.page.close()
    else this.webContents.emit('destroyed')
  }

  reload(): void {
    this.webContents.reload()
  }
  show(): void {
    this.emit('show')
  }
  focus(): void {
    this.#focused = true
  }
  blur(): void {
    this.#focused = false
  }
  isFocused(): boolean {
    return this.#focused
  }
  isMinimized(): boolean {
    return false
  }
  restore(): void {}
  maximize(): void {
    this.#maximized = true
  }
  isMaximized(): boolean {
    return this.#maximized
  }
  isDestroyed(): boolean {
    return this.webContents.isDestroyed()
  }
  getNormalBounds(): object {
    return { x: 10, y: 20, width: 1280, height: 800 }
  }
}

state.mayNavigate = (frame, url) => {
  if (!frame) return true
  const owner = BrowserWindow.getAllWindows().find(({ webContents }) => webContents.page === frame.page())
  // The app's own first load asks nobody.
  return !owner || frame.page().url() === 'about:blank' || owner.webContents.mayNavigate(frame, url)
}
