/** The desktop's main process: windows, dialogs, menus. What a page asks goes to the door; what computes runs in utility processes. */
import { app, type BrowserWindow, dialog, ipcMain, nativeTheme, protocol, session, shell } from 'electron'
import { join } from 'node:path'
import type { MenuAction } from '../engine/commands/index.ts'
import { defaultStorePath, type DoorService, openDoorService } from '../engine/commands/door/index.ts'
import { makeAwake } from './awake.ts'
import { mayQuit, pick } from './dialogs.ts'
import { utilityHost } from './hosts.ts'
import { connectPages } from './ipc.ts'
import { setMenu } from './menu.ts'
import { notify } from './notify.ts'
import { filesOf } from './openFiles.ts'
import { registerScheme, servePage } from './protocol.ts'
import { guardApp, guardSession } from './security.ts'
import { openWindow } from './window.ts'

/** Training may take this long to write its checkpoint when the program is closed, in milliseconds. */
const GRACE_MS = 60_000

// This file lies at dist/electron/main.js, with the built page and the engine host beside its folder.
const DIST = join(import.meta.dirname, '..')
const ROOT = join(DIST, '..')

let service: DoorService | undefined
let window: BrowserWindow | undefined
/** Files that the system asked to open before the door was there. */
const early: string[] = []
let leaving: 'no' | 'asking' | 'closing' | 'closed' = 'no'

const openFiles = (paths: readonly string[]): void => {
  if (service) service.open(paths)
  else early.push(...paths)
}
const showWindow = (): void => {
  if (window?.isMinimized()) window.restore()
  window?.show()
  window?.focus()
}

function start(): void {
  guardSession(session.defaultSession)
  servePage(protocol, join(DIST, 'renderer'))
  const store = defaultStorePath()
  const keepAwake = makeAwake()
  const awake = (): void => keepAwake(opened.settings().keepAwake && opened.jobs.running().length > 0)
  const opened = openDoorService({
    start: () => utilityHost(join(DIST, 'host', 'electron', 'engineHost.js')),
    store,
    native: {
      kind: 'electron',
      version: app.getVersion(),
      versions: { electron: process.versions.electron ?? '', chrome: process.versions.chrome ?? '', node: process.versions.node },
      pick: (request) => (window ? pick(window, request) : Promise.resolve(null)),
      reveal: (path) => shell.showItemInFolder(path),
      onSettings: ({ theme }) => {
        nativeTheme.themeSource = theme
        awake()
      },
      onRecent: (path) => app.addRecentDocument(path),
      onJobs: awake,
      onJobEnd: (job) => {
        if (opened.settings().notify && !window?.isFocused()) notify(job, () => (showWindow(), chosen('show-run')))
      },
    },
  })
  service = opened
  nativeTheme.themeSource = opened.settings().theme
  const admit = connectPages(ipcMain, opened)
  const chosen = (action: MenuAction): void => {
    show()
    opened.menu(action)
  }
  const show = (): void => {
    if (window) return showWindow()
    window = openWindow({
      preload: join(DIST, 'electron', 'preload.cjs'),
      stateFile: join(opened.folder, 'window.json'),
      icon: join(ROOT, 'assets', 'icon.png'),
      admit: ({ webContents }) => admit(webContents),
    })
    window.on('closed', () => (window = undefined))
    window.on('close', (event) => {
      // Closing the last window ends the program, which asks first when something runs. On macOS a program lives without windows.
      if (process.platform === 'darwin' || leaving === 'closed') return
      event.preventDefault()
      app.quit()
    })
  }
  setMenu(chosen)
  show()
  opened.open([...early.splice(0), ...filesOf(process.argv.slice(1), process.cwd())])
  app.on('activate', show)
}

app.on('before-quit', (event) => {
  if (leaving === 'closed' || !service) return
  event.preventDefault()
  if (leaving !== 'no') return
  const { jobs } = service
  const leave = async (): Promise<void> => {
    const running = jobs.running().length
    leaving = 'asking'
    if (running > 0 && !(await mayQuit(window, running))) {
      leaving = 'no'
      return
    }
    leaving = 'closing'
    await service?.close(GRACE_MS)
    leaving = 'closed'
    app.quit()
  }
  void leave()
})
app.on('window-all-closed', () => {
  if (process.platform !== 'darwin') app.quit()
})
app.on('open-file', (event, path) => {
  event.preventDefault()
  openFiles([path])
})
app.on('second-instance', (_, words, cwd) => {
  showWindow()
  openFiles(filesOf(words.slice(1), cwd))
})

if (app.requestSingleInstanceLock()) {
  registerScheme(protocol)
  guardApp(app)
  app.setAppUserModelId('org.stillroom.app')
  void app.whenReady().then(() => {
    try {
      start()
    } catch (error) {
      dialog.showErrorBox('Stillroom cannot start', error instanceof Error ? error.message : String(error))
      leaving = 'closed'
      app.exit(1)
    }
  })
} else {
  app.exit(0)
}
