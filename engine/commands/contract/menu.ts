/**
 * What the application menu can ask of the window, with its shortcuts: the desktop builds its native menu from this table, and in a
 * browser, which has no such menu, the page listens for the same keys.
 */
export interface MenuEntry {
  readonly action: string
  readonly label: string
  /** Electron's notation; `CmdOrCtrl` is the Command key on macOS and Control elsewhere. */
  readonly keys?: string
}

/** Menus in their order; `null` is a separator. */
export const menus = {
  File: [
    { action: 'open-model', label: 'Open Model…', keys: 'CmdOrCtrl+O' },
    { action: 'open-data', label: 'Open Data…', keys: 'CmdOrCtrl+Shift+O' },
    null,
    { action: 'open-recipe', label: 'Open Recipe…', keys: 'CmdOrCtrl+Alt+O' },
    { action: 'save-recipe', label: 'Save Recipe As…', keys: 'CmdOrCtrl+S' },
    null,
    { action: 'show-settings', label: 'Settings', keys: 'CmdOrCtrl+,' },
  ],
  Go: [
    { action: 'show-models', label: 'Models', keys: 'CmdOrCtrl+1' },
    { action: 'show-data', label: 'Data', keys: 'CmdOrCtrl+2' },
    { action: 'show-plan', label: 'Plan', keys: 'CmdOrCtrl+3' },
    { action: 'show-run', label: 'Run', keys: 'CmdOrCtrl+4' },
    { action: 'show-runs', label: 'Runs', keys: 'CmdOrCtrl+5' },
    { action: 'show-quantize', label: 'Quantize', keys: 'CmdOrCtrl+6' },
    { action: 'show-benchmark', label: 'Benchmark', keys: 'CmdOrCtrl+7' },
    { action: 'show-export', label: 'Export', keys: 'CmdOrCtrl+8' },
    null,
    { action: 'find', label: 'Find', keys: 'CmdOrCtrl+F' },
  ],
  Run: [
    { action: 'start', label: 'Start', keys: 'CmdOrCtrl+Enter' },
    { action: 'pause', label: 'Pause', keys: 'CmdOrCtrl+.' },
    { action: 'resume', label: 'Resume', keys: 'CmdOrCtrl+Shift+.' },
  ],
  Help: [
    { action: 'show-help', label: 'Guide', keys: 'F1' },
    { action: 'show-shortcuts', label: 'Keyboard Shortcuts', keys: 'CmdOrCtrl+/' },
    { action: 'show-privacy', label: 'Privacy' },
    { action: 'show-about', label: 'About Stillroom' },
  ],
} as const satisfies Record<string, readonly (MenuEntry | null)[]>

type Entries = NonNullable<(typeof menus)[keyof typeof menus][number]>
export type MenuAction = Entries['action']

/** Every action, in the order of the menus. */
export const menuActions = Object.values(menus).flatMap((menu) =>
  menu.flatMap((entry): MenuAction[] => (entry ? [entry.action] : [])),
)
