/** Rows of a table as one vector: numbers standardised, categories one-hot. */
import { z } from 'zod'
import { DataError } from '../../errors.ts'
import type { DataSet, TableBatch } from '../types.ts'
import type { FrontEnd } from './frontEnd.ts'

const name = z.string()

/** A number becomes (value - mean) / std; a category a 1 at its place among `values`. In the order of the columns. */
export const tableSchema = z.strictObject({
  kind: z.literal('table'),
  columns: z
    .array(
      z.discriminatedUnion('type', [
        z.strictObject({ name, type: z.literal('number'), mean: z.number(), std: z.number().positive() }),
        z.strictObject({ name, type: z.literal('category'), values: z.array(z.string()).min(1) }),
      ]),
    )
    .min(1),
})

export type TablePreprocess = z.output<typeof tableSchema>

const widthOf = (column: TablePreprocess['columns'][number]): number => (column.type === 'number' ? 1 : column.values.length)

/** Input x [features]. Errors: DataError when the set's columns are not those of the document. */
export function tableFront(p: TablePreprocess, set: DataSet): FrontEnd {
  const own = set.columns ?? []
  const places = p.columns.map((column) => {
    const at = own.findIndex((c) => c.name === column.name)
    const found = own[at]
    if (found?.type !== column.type) {
      const what = found ? `one of type ${found.type}` : `only ${own.map((c) => `'${c.name}'`).join(', ')}`
      throw new DataError(`expected a column '${column.name}' of type ${column.type}, found ${what}`, { where: set.name })
    }
    return at
  })
  const width = p.columns.reduce((n, column) => n + widthOf(column), 0)
  return {
    inputs: [{ name: 'x', shape: [width] }],
    kept: { shape: [width], bytes: false },
    first(raw) {
      const { columns, count } = raw as TableBatch
      const out = new Float32Array(count * width)
      let start = 0
      for (const [i, column] of p.columns.entries()) {
        const cells = columns[places[i]!]!
        for (let n = 0; n < count; n++) {
          if (column.type === 'number') out[n * width + start] = ((cells[n] as number) - column.mean) / column.std
          else out[n * width + start + placeOf(column, cells[n] as string, set.name)] = 1
        }
        start += widthOf(column)
      }
      return out
    },
    second: (kept) => [kept as Float32Array],
  }
}

function placeOf(column: { name: string; values: string[] }, value: string, where: string): number {
  const at = column.values.indexOf(value)
  if (at >= 0) return at
  const known = column.values.slice(0, 8).join(', ') + (column.values.length > 8 ? ', …' : '')
  throw new DataError(`column '${column.name}': '${value}' is none of the categories that were trained on (${known})`, {
    where,
    hint: 'put rows of every category into the training part, or remove the row',
  })
}

/** Mean and deviation of each number and the categories of all others, from the training rows alone. */
export async function completeTable(set: DataSet, train: Int32Array): Promise<TablePreprocess> {
  const raw = (await set.read(train)) as TableBatch
  const columns = set.columns!.map(({ name, type }, i): TablePreprocess['columns'][number] => {
    const cells = raw.columns[i]!
    if (type === 'category') return { name, type, values: [...new Set(cells as string[])].sort() }
    const values = cells as Float64Array
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length
    const std = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length)
    // A column of one value says nothing: it becomes zeros.
    return { name, type, mean, std: std > 0 ? std : 1 }
  })
  return { kind: 'table', columns }
}

/** One line for the person. */
export const describeTable = (p: TablePreprocess): string => {
  const [numbers, categories] = ['number', 'category'].map((type) => p.columns.filter((c) => c.type === type).length)
  return `${numbers} columns of numbers less mean, over deviation of the training rows; ${categories} of categories, one-hot`
}
