/** What the system offers: dialogs, menus, notifications, themes. Each use is noted; a test replaces the answers of `dialog`. */
import { EventEmitter } from 'node:events'
import { BrowserWindow } from './browserWindow.ts'
import { state } from './state.ts'

const note =
  <T>(what: string, answer: T) =>
  (...args: unknown[]): T => {
    state.log.push([what, args.at(-1)])
    return answer
  }

export const dialog = {
  showOpenDialog: note('dialog', Promise.resolve({ canceled: true, filePaths: [] as string[] })),
  showSaveDialog: note('dialog', Promise.resolve({ canceled: true, filePath: '' })),
  showMessageBox: note('question', Promise.resolve({ response: 0 })),
  showErrorBox: (title: string, text: string): void => {
    state.log.push(['error box', `${title}: ${text}`])
    process.stderr.write(`${title}: ${text}\n`)
  },
}

export const shell = { showItemInFolder: note('reveal', undefined) }

interface Item {
  id?: string
  label?: string
  role?: string
  accelerator?: string
  submenu?: Item[]
  click?: () => void
}

export class Menu {
  static #application: Menu | null = null
  readonly items: Item[]

  constructor(items: Item[]) {
    this.items = items
  }
  static buildFromTemplate(template: Item[]): Menu {
    return new Menu(template)
  }
  static setApplicationMenu(menu: Menu | null): void {
    Menu.#application = menu
  }
  static getApplicationMenu(): Menu | null {
    return Menu.#application
  }
  getMenuItemById(id: string): Item | null {
    const find = (items: Item[]): Item | null => {
      for (const item of items) {
        const found = item.id === id ? item : find(item.submenu ?? [])
        if (found) return found
      }
      return null
    }
    return find(this.items)
  }
}

export class Notification extends EventEmitter {
  static isSupported(): boolean {
    return true
  }
  readonly #options: object
  constructor(options: object) {
    super()
    this.#options = options
  }
  show(): void {
    state.log.push(['notification', this.#options])
  }
}

class NativeTheme extends EventEmitter {
  #source = 'system'
  get shouldUseDarkColors(): boolean {
    return this.#source === 'dark'
  }
  get themeSource(): string {
    return this.#source
  }
  set themeSource(source: string) {
    this.#source = source
    const colorScheme = source === 'system' ? null : (source as 'light' | 'dark')
    for (const { webContents } of BrowserWindow.getAllWindows()) void webContents.page?.emulateMedia({ colorScheme })
  }
}
export const nativeTheme = new NativeTheme()

const blockers = new Set<number>()
let blocker = 0
export const powerSaveBlocker = {
  start(kind: string): number {
    state.log.push(['keep awake', kind])
    blockers.add(++blocker)
    return blocker
  },
  stop(id: number): void {
    state.log.push(['let sleep', id])
    blockers.delete(id)
  },
  isStarted: (id: number): boolean => blockers.has(id),
}

export const screen = { getAllDisplays: () => [{ workArea: { x: 0, y: 0, width: 1920, height: 1080 } }] }
