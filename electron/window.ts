import { BrowserWindow, nativeTheme, screen } from 'electron'
import { LEAST_SIZE, placeOf, readWindowState, writeWindowState } from './windowState.ts'
import { START_URL } from './security.ts'

/** A page that crashes more often than this in a minute is left alone. */
const RELOADS = 3

export interface WindowOptions {
  preload: string
  stateFile: string
  icon: string
  /** Called before the page is loaded. */
  admit(window: BrowserWindow): void
}

/** Open the window where it was, and load the page. */
export function openWindow({ preload, stateFile, icon, admit }: WindowOptions): BrowserWindow {
  const state = readWindowState(stateFile)
  const window = new BrowserWindow({
    ...placeOf(
      state,
      screen.getAllDisplays().map(({ workArea }) => workArea),
    ),
    ...LEAST_SIZE,
    show: false,
    title: 'Stillroom',
    icon,
    backgroundColor: nativeTheme.shouldUseDarkColors ? '#16181c' : '#ffffff',
    webPreferences: {
      preload,
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
      spellcheck: false,
      navigateOnDragDrop: false,
    },
  })
  if (state.maximized) window.maximize()
  window.once('ready-to-show', () => window.show())
  window.on('close', () => writeWindowState(stateFile, { bounds: window.getNormalBounds(), maximized: window.isMaximized() }))
  const crashes: number[] = []
  window.webContents.on('render-process-gone', (_, { reason }) => {
    if (reason === 'clean-exit') return
    const now = Date.now()
    crashes.push(now)
    if (crashes.filter((at) => now - at < 60_000).length <= RELOADS) window.reload()
  })
  admit(window)
  // A load that fails leaves an empty window with its menu; there is nothing else to try.
  window.loadURL(START_URL).catch((error: unknown) => process.stderr.write(`stillroom: the page did not load: ${String(error)}\n`))
  return window
}
