import { app, Menu, type MenuItemConstructorOptions } from 'electron'
import { type MenuAction, type MenuEntry, menus } from '../engine/commands/index.ts'

/** The application menu: the contract's entries, which the page carries out, among the system's own. */
export function menuTemplate(
  platform: NodeJS.Platform,
  packaged: boolean,
  chosen: (action: MenuAction) => void,
): MenuItemConstructorOptions[] {
  const mac = platform === 'darwin'
  const entries = (name: keyof typeof menus): MenuItemConstructorOptions[] =>
    (menus[name] as readonly (MenuEntry | null)[]).map((entry) =>
      entry === null
        ? { type: 'separator' }
        : {
            id: entry.action,
            label: entry.label,
            ...(entry.keys === undefined ? {} : { accelerator: entry.keys }),
            click: () => chosen(entry.action as MenuAction),
          },
    )
  return [
    ...(mac ? [{ role: 'appMenu' } as const] : []),
    {
      label: 'File',
      submenu: [
        ...entries('File'),
        { type: 'separator' },
        { role: 'recentDocuments', submenu: [{ role: 'clearRecentDocuments' }] },
        { role: mac ? 'close' : 'quit' },
      ],
    },
    { role: 'editMenu' },
    { label: 'Go', submenu: entries('Go') },
    { label: 'Run', submenu: entries('Run') },
    {
      label: 'View',
      submenu: [
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        { type: 'separator' },
        { role: 'togglefullscreen' },
        ...(packaged ? [] : ([{ type: 'separator' }, { role: 'reload' }, { role: 'toggleDevTools' }] as const)),
      ],
    },
    { role: 'windowMenu' },
    { role: 'help', submenu: entries('Help') },
  ]
}

export const setMenu = (chosen: (action: MenuAction) => void): void =>
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(process.platform, app.isPackaged, chosen)))
