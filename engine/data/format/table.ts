/** Tables of text cells: CSV and TSV files. */
import { readFile } from 'node:fs/promises'
import Papa from 'papaparse'
import { DataError } from '../../errors.ts'

export interface Table {
  /** Absent where the first row is data already. */
  header?: string[]
  rows: string[][]
  path: string
}

/** Cells that stand for nothing. */
const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '?', '-'])
export const isMissing = (cell: string): boolean => MISSING.has(cell.trim().toLowerCase())

/** The number that a cell is, NaN for every other text. */
export const numberOf = (cell: string): number => {
  const text = cell.trim()
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN
}

/** Reads a file; separators are found by looking. Throws DataError for quotes that never end and rows of unequal length. */
export async function readTable(path: string): Promise<Table> {
  const text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '')
  const { data, errors } = Papa.parse<string[]>(text, {
    skipEmptyLines: 'greedy',
    ...(/\.tsv$/i.test(path) ? { delimiter: '\t', quoteChar: '\0' } : {}),
  })
  const [error] = errors.filter((e) => e.type === 'Quotes')
  if (error) throw new DataError(`row ${(error.row ?? 0) + 1}: ${error.message.toLowerCase()}`, { where: path })
  const [first] = data
  if (!first) throw new DataError('expected rows, found none', { where: path })
  const ragged = data.findIndex((row) => row.length !== first.length)
  if (ragged >= 0)
    throw new DataError(`row ${ragged + 1}: expected ${first.length} cells as in the first row, found ${data[ragged]!.length}`, {
      where: path,
    })
  const headed = first.every((cell) => Number.isNaN(numberOf(cell)) && !isMissing(cell))
  if (!headed) return { rows: data, path }
  const twice = first.find((name, i) => first.indexOf(name) !== i)
  if (twice !== undefined) throw new DataError(`two columns are called '${twice}'`, { where: path })
  return { header: first.map((name) => name.trim()), rows: data.slice(1), path }
}
