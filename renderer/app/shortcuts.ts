import { menus, type MenuAction } from '../../engine/commands/contract/menu.ts'

const mac = /Mac/.test(navigator.platform)

interface Keys {
  action: MenuAction
  label: string
  ctrl: boolean
  shift: boolean
  alt: boolean
  key: string
}

/** The menu's entries that have keys, taken apart. */
export const bindings: Keys[] = Object.values(menus).flatMap((menu) =>
  menu.flatMap((entry) => {
    if (!entry || !('keys' in entry)) return []
    const parts = entry.keys.split('+')
    const key = parts.at(-1)!.toLowerCase()
    return [
      {
        action: entry.action,
        label: entry.label,
        ctrl: parts.includes('CmdOrCtrl'),
        shift: parts.includes('Shift'),
        alt: parts.includes('Alt'),
        key,
      },
    ]
  }),
)

/** The menu action of a key press. Shift changes what some keys print, so the physical key counts as well. */
export function actionOf(event: KeyboardEvent): MenuAction | undefined {
  const ctrl = mac ? event.metaKey : event.ctrlKey
  const code = { Period: '.', Comma: ',', Slash: '/' }[event.code] ?? event.code.replace(/^(Key|Digit)/, '').toLowerCase()
  return bindings.find(
    (one) =>
      one.ctrl === ctrl &&
      one.shift === event.shiftKey &&
      one.alt === event.altKey &&
      (one.key === event.key.toLowerCase() || one.key === code),
  )?.action
}

/** `Ctrl Shift O`, or the signs that a Mac has on its keys. */
export function keysText(action: MenuAction): string[] {
  const one = bindings.find((binding) => binding.action === action)
  if (!one) return []
  return [
    ...(one.ctrl ? [mac ? '⌘' : 'Ctrl'] : []),
    ...(one.alt ? [mac ? '⌥' : 'Alt'] : []),
    ...(one.shift ? [mac ? '⇧' : 'Shift'] : []),
    one.key.length === 1 ? one.key.toUpperCase() : one.key[0]!.toUpperCase() + one.key.slice(1),
  ]
}
