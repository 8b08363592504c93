/** One column of a table. */
export interface Column<Row> {
  id: string
  title: string
  /** What it is sorted by; null is unknown and comes last. */
  value: (row: Row) => number | string | null
  /** What is shown, with its unit. */
  text: (row: Row) => string
  numeric?: boolean
  /** A track of a CSS grid. */
  width?: string
  /** How the number is got, shown at the column's head. */
  how?: string
  tone?: (row: Row) => 'good' | 'warn' | 'bad' | ''
}
