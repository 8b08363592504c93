/** Text for terminals: aligned columns, numbers in words that people read. */

/**
 * Text from outside (a model's node names, file names) made harmless: control characters could move the cursor or retitle the
 * terminal, so each is shown as `?`.
 */

export const plain = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?')

/** Rows of text in aligned columns; a column of numbers is aligned to the right. */
export function columns(rows: readonly (readonly string[])[], options: { right?: readonly number[] } = {}): string {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  return rows
    .map((row) =>
      row
        .map((cell, i) => (options.right?.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A table with a head line. Columns in which every cell is a number, with or without a unit, are aligned to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(plain))
  const right = head.flatMap((_, i) =>
    clean.length > 0 && clean.every((row) => /^(-?[\d.,]+( ?\S{1,4})?|-|)$/.test(row[i] ?? '')) ? [i] : [],
  )
  return columns([head, ...clean], { right })
}

/** `key  value` lines. */
export const facts = (pairs: readonly (readonly [string, string | number | undefined | null])[]): string =>
  columns(pairs.filter(([, value]) => value !== undefined && value !== null).map(([key, value]) => [key, plain(String(value))]))

/** 1234567 → 1,234,567 */
export const count = (n: number): string => n.toLocaleString('en-US')

/** Bytes with a binary unit. */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let i = 0
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024
    i++
  }
  return `${i === 0 ? n : n.toFixed(n < 10 ? 2 : 1)} ${units[i]}`
}

/** Four significant digits; whole numbers as they are. */
export const number = (n: number): string => (Number.isInteger(n) ? String(n) : String(Number(n.toPrecision(4))))

/** `0.981 [0.975, 0.987]` */
export const measured = ({ value, ci95 }: { value: number; ci95?: readonly number[] | undefined }): string =>
  ci95 ? `${number(value)} [${ci95.map(number).join(', ')}]` : number(value)

/** 75 → 1:15 min */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  const whole = Math.round(seconds)
  const two = (n: number): string => String(n).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`
  return `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))} h`
}
