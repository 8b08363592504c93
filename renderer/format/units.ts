/** Numbers in the form that people read, always with their unit. A number that is not known is an en dash. */

export const NONE = '–'

const known = (n: number | null | undefined): n is number => n !== null && n !== undefined && Number.isFinite(n)

/** 1234567 → 1,234,567 */
export const count = (n: number | null | undefined): string => (known(n) ? Math.round(n).toLocaleString('en-US') : NONE)

/** At most three significant digits, no exponent unless it is far away. */
export function short(n: number | null | undefined): string {
  if (!known(n)) return NONE
  if (n === 0) return '0'
  const size = Math.abs(n)
  if (size >= 1e6 || size < 1e-4) return n.toExponential(2).replace('e+', 'e')
  if (size >= 1000) return Math.round(n).toLocaleString('en-US')
  return String(Number(n.toPrecision(3)))
}

/** 1536 → 1.5 KiB */
export function bytes(n: number | null | undefined): string {
  if (!known(n)) return NONE
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let size = n
  let unit = 0
  while (Math.abs(size) >= 1000 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${unit === 0 ? Math.round(size) : size >= 100 ? size.toFixed(0) : size.toFixed(1)} ${units[unit]}`
}

/** 1234567 → 1.23 M; for parameters and multiply-accumulates. */
export function big(n: number | null | undefined): string {
  if (!known(n)) return NONE
  const units = ['', ' k', ' M', ' G', ' T']
  let size = n
  let unit = 0
  while (Math.abs(size) >= 1000 && unit < units.length - 1) {
    size /= 1000
    unit++
  }
  return unit === 0
    ? String(Math.round(size))
    : `${size >= 100 ? size.toFixed(0) : size >= 10 ? size.toFixed(1) : size.toFixed(2)}${units[unit]}`
}

/** Seconds → 1 h 02 min, 3 min 20 s, 4.2 s, 12 ms */
export function duration(seconds: number | null | undefined): string {
  if (!known(seconds)) return NONE
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(Math.round(seconds % 60)).padStart(2, '0')} s`
  const hours = Math.floor(minutes / 60)
  return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`
}

/** Milliseconds with enough digits to tell two kernels apart. */
export const milliseconds = (ms: number | null | undefined): string =>
  !known(ms) ? NONE : `${ms >= 100 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(3)} ms`

/** 0.9812 → 98.12 % */
export const percent = (n: number | null | undefined, digits = 2): string => (known(n) ? `${(100 * n).toFixed(digits)} %` : NONE)

/** float32[1, 3, 224, 224] */
export const tensor = (dtype: string, shape: readonly (number | string)[]): string => `${dtype}[${shape.join(', ')}]`

/** The last part of a path. */
export const fileName = (path: string): string => path.split(/[\\/]/).filter(Boolean).at(-1) ?? path

/** Everything before it. */
export const folderOf = (path: string): string => path.slice(0, path.length - fileName(path).length).replace(/[\\/]$/, '')

/** 2026-11-23T12:48:53Z → 23 Nov, 12:48 in the person's own time. */
export const when = (iso: string | number | null | undefined): string =>
  iso === null || iso === undefined
    ? NONE
    : new Date(iso).toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
