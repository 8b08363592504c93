import { EventEmitter } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext } from 'playwright-core'
import { BrowserWindow, onContents, useContext } from './browserWindow.ts'
import { startChromium } from './chromium.ts'
import { state } from './state.ts'
import { preventable } from './webContents.ts'

class App extends EventEmitter {
  readonly isPackaged = process.env['DOUBLE_PACKAGED'] === '1'
  readonly commandLine = {
    appendSwitch: (name: string, value?: string) =>
      void state.switches.push(value === undefined ? `--${name}` : `--${name}=${value}`),
  }
  #context: Promise<BrowserContext> | undefined

  async whenReady(): Promise<void> {
    if (!this.#context) {
      this.#context = startChromium()
      useContext(this.#context)
    }
    await this.#context
    this.emit('ready')
  }
  getVersion(): string {
    return process.env['DOUBLE_VERSION'] ?? '0.0.0'
  }
  getName(): string {
    return 'stillroom'
  }
  getPath(name: string): string {
    return join(tmpdir(), `stillroom-double-${name}`)
  }
  /** Another instance is what a test says there is. */
  requestSingleInstanceLock(): boolean {
    return process.env['DOUBLE_SECOND'] !== '1'
  }
  setAppUserModelId(): void {}
  addRecentDocument(path: string): void {
    state.log.push(['recent document', path])
  }

  /** As Electron does: ask, close the windows (each may refuse), tell, end. */
  quit(): void {
    const event = preventable({})
    this.emit('before-quit', event)
    if (event.defaultPrevented) return
    const windows = BrowserWindow.getAllWindows()
    let left = windows.length
    const gone = (): void => {
      if (--left > 0) return
      this.emit('will-quit', preventable({}))
      this.exit(0)
    }
    for (const window of windows) window.once('closed', gone).close()
    if (windows.length === 0) gone()
  }
  exit(code = 0): void {
    const end = (): never => {
      this.emit('quit', {}, code)
      process.exit(code)
    }
    if (this.#context) void this.#context.then((context) => context.close()).then(end, end)
    else end()
  }
}

export const app = new App()
onContents((contents) => app.emit('web-contents-created', {}, contents))
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => app.quit())
// A test that dies leaves no browser behind.
process.on('disconnect', () => app.exit(1))
