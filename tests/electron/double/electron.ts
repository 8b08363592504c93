/**
 * A stand-in for the `electron` module: what Stillroom uses of it, over Node and a real Chromium. It proves that our main process, preload and page
 * work together and what passes between them; it does not prove Electron's own isolation. Everything an app does that leaves no other trace is in
 * `state.log`.
 */
export { app } from './app.ts'
export { BrowserWindow } from './browserWindow.ts'
export { dialog, Menu, nativeTheme, Notification, powerSaveBlocker, screen, shell } from './desktop.ts'
export { ipcMain } from './ipcMain.ts'
export { utilityProcess } from './utility.ts'
export { protocol, session } from './web.ts'
