import { createHash } from 'node:crypto'
import { DataError, OptionError } from '../../errors.ts'
import { holdsParts, partFiles } from '../format/partFiles.ts'
import { isMissing, numberOf, readTable, type Table } from '../format/table.ts'
import { defineReader } from '../reader.ts'
import type { ColumnInfo, DataSet, TableBatch, ValueTarget } from '../types.ts'
import { isText } from './text.ts'

const EXTENSION = /\.(csv|tsv)$/i
/** Columns that are targets by their name. */
const TARGETS = /^(target|label|labels|class|species|category|y|outcome)$/i
/** Whole numbers of at most so many values, in twice as many rows at least, are classes. */
const MAX_CLASS_VALUES = 20
/** A text column of more values than this, and more than half of the rows, is no category. */
const MAX_CATEGORIES = 100

interface Column {
  name: string
  cells: string[]
  numbers: Float64Array | undefined
}

/** Tables: a row is a sample, one column (or several) the target. */
export default defineReader({
  id: 'csv',
  title: 'a CSV or TSV file, or a folder with train.csv and test.csv',
  options: {
    target: 'column to predict, several with commas, or none',
    task: 'class or values: what the target is',
    categories: 'columns of numbers that are categories, with commas',
    missing: "drop: leave out rows with missing values; 'error' otherwise",
  },
  recognises: async (source) =>
    (source.entries ? holdsParts(source, EXTENSION) : EXTENSION.test(source.name)) && !(await isText(source)),

  async open(source, { labels }): Promise<DataSet> {
    const { files, splits } = partFiles(source, EXTENSION)
    const parts: ReturnType<typeof named>[] = []
    for (const file of files) parts.push(named(await readTable(file), source.options['missing'] === 'drop'))
    const [first] = parts
    for (const part of parts)
      if (part.names.join() !== first!.names.join())
        throw new DataError(`expected the columns ${first!.names.join(', ')}, found ${part.names.join(', ')}`, { where: part.path })
    const rows = parts.flatMap((part) => part.rows)
    if (rows.length === 0) throw new DataError('expected rows, found none', { where: source.spec })
    const { options } = source
    const categories = new Set(options['categories']?.split(',') ?? [])
    const { chosen, guessed } = targetsOf(first!.names, options['target'], source.spec)
    // The target's cells are not looked at with labels off.
    const column = (name: string) =>
      columnOf(name, rows, first!.names.indexOf(name), source.spec, categories.has(name) || options['task'] === 'class')
    const target =
      labels === 'on' && chosen.length ? answers(chosen.map(column), options['task'], first!.classes, source.spec) : undefined
    const inputs = first!.names
      .filter((name) => !chosen.includes(name))
      .map((name) => inputColumn(name, rows, first!.names, source.spec, categories))
    if (inputs.length === 0) throw new DataError('expected a column besides the target, found none', { where: source.spec })
    const dropped = parts.reduce((n, part) => n + part.dropped, 0)
    const what = target && ('labels' in target ? `${target.classes.length} classes` : 'numbers to predict')
    const own = splits(parts.map((part) => part.rows.length))
    return {
      name: source.name,
      format: 'csv',
      kind: 'table',
      length: rows.length,
      sample: { shape: [inputs.length], dtype: 'mixed' },
      columns: inputs.map(({ name, numbers }): ColumnInfo => ({ name, type: numbers ? 'number' : 'category' })),
      labelled: target !== undefined,
      ...target,
      ...(own ? { splits: own } : {}),
      warnings: [
        ...(target ? [`'${chosen.join(', ')}' is the target${guessed ? ' (?target=NAME names another)' : ''}: ${what}`] : []),
        ...(dropped ? [`${dropped} rows with missing values were left out`] : []),
      ],
      contentHash: () =>
        Promise.resolve(
          createHash('sha256')
            .update(JSON.stringify(inputs.map((c) => [c.name, c.cells])))
            .digest('hex'),
        ),
      read(indices): Promise<TableBatch> {
        const columns = inputs.map(({ cells, numbers }) =>
          numbers ? Float64Array.from(indices, (i) => numbers[i]!) : Array.from(indices, (i) => cells[i]!),
        )
        const own = target && 'labels' in target ? { labels: Int32Array.from(indices, (i) => target.labels[i]!) } : {}
        return Promise.resolve({ kind: 'table', count: indices.length, columns, ...own })
      },
    }
  },
})

/** Names for all columns, and rows without missing cells. scikit-learn's own files begin with counts and the names of the classes. */
function named({ header, rows, path }: Table, drop: boolean) {
  const [first = []] = rows
  const width = first.length || header!.length
  const counts = header ? undefined : { samples: numberOf(first[0]!), features: numberOf(first[1] ?? '') }
  const bundled = counts?.samples === rows.length - 1 && counts.features === width - 1
  const body = bundled ? rows.slice(1) : rows
  const names = header ?? Array.from({ length: width }, (_, i) => (bundled && i === width - 1 ? 'target' : `column${i + 1}`))
  const gap = (row: readonly string[]) => row.findIndex(isMissing)
  const kept = drop ? body.filter((row) => gap(row) < 0) : body
  const bad = kept.findIndex((row) => gap(row) >= 0)
  if (bad >= 0) {
    const line = bad + 1 + (header || bundled ? 1 : 0)
    throw new DataError(`row ${line}, column '${names[gap(kept[bad]!)]}': the value is missing`, {
      where: path,
      hint: 'fill it in, or leave out such rows with ?missing=drop behind the path',
    })
  }
  return {
    path,
    names,
    rows: kept,
    dropped: body.length - kept.length,
    classes: bundled ? first.slice(2).filter((cell) => cell.trim() !== '') : undefined,
  }
}

function targetsOf(names: readonly string[], wanted: string | undefined, where: string): { chosen: string[]; guessed: boolean } {
  if (wanted === 'none') return { chosen: [], guessed: false }
  if (wanted !== undefined) {
    const chosen = wanted.split(',')
    const unknown = chosen.find((name) => !names.includes(name))
    if (unknown !== undefined)
      throw new OptionError(`expected a column of ${names.join(', ')}, found '${unknown}'`, { where: `data: ${where}: target` })
    return { chosen, guessed: false }
  }
  return { chosen: [names.find((name) => TARGETS.test(name)) ?? names.at(-1)!], guessed: true }
}

/** Numbers where all cells are, text otherwise; `text` keeps numbers as text. Throws DataError for a mixture. */
function columnOf(name: string, rows: readonly string[][], at: number, where: string, text: boolean): Column {
  const cells = rows.map((row) => row[at]!.trim())
  const numbers = Float64Array.from(cells, numberOf)
  const bad = numbers.reduce((n, v) => n + (Number.isNaN(v) ? 1 : 0), 0)
  if (bad > 0 && bad < cells.length / 2 && !text) {
    const i = numbers.findIndex(Number.isNaN)
    throw new DataError(`column '${name}', sample ${i + 1}: expected a number as in most rows, found '${cells[i]}'`, {
      where,
      hint: `correct it, or take the column for categories with ?categories=${name} behind the path`,
    })
  }
  return { name, cells, numbers: bad === 0 && !text ? numbers : undefined }
}

function inputColumn(
  name: string,
  rows: readonly string[][],
  names: readonly string[],
  where: string,
  categories: ReadonlySet<string>,
) {
  const column = columnOf(name, rows, names.indexOf(name), where, categories.has(name))
  const values = column.numbers ? 0 : new Set(column.cells).size
  if (values > MAX_CATEGORIES && values > rows.length / 2)
    throw new DataError(`column '${name}' has ${values} different texts in ${rows.length} rows: neither numbers nor categories`, {
      where,
      hint: 'remove the column; for texts, put a tokenizer.json beside the file',
    })
  return column
}

type Answers = { labels: Int32Array; classes: string[] } | { target: ValueTarget }

/** Classes of one column of text or of few whole numbers, numbers of all others. */
function answers(
  columns: readonly Column[],
  task: string | undefined,
  names: readonly string[] | undefined,
  where: string,
): Answers {
  if (task !== undefined && task !== 'class' && task !== 'values')
    throw new OptionError(`expected class or values, found '${task}'`, { where: `data: ${where}: task` })
  const [first] = columns
  const distinct = new Set(first!.cells)
  const few = distinct.size <= MAX_CLASS_VALUES && 2 * distinct.size <= first!.cells.length
  const whole = first!.numbers?.every(Number.isInteger) ?? true
  if (columns.length === 1 && task !== 'values' && (task === 'class' || !first!.numbers || (whole && few))) {
    const classes = [...distinct].sort((a, b) => numberOf(a) - numberOf(b) || (a < b ? -1 : 1))
    const number = new Map(classes.map((value, i) => [value, i]))
    const labels = Int32Array.from(first!.cells, (cell) => number.get(cell)!)
    return { labels, classes: names?.length === classes.length ? [...names] : classes }
  }
  const text = columns.find((column) => !column.numbers)
  if (text) throw new DataError(`expected numbers to predict, found texts in column '${text.name}'`, { where })
  const values = new Float32Array(first!.cells.length * columns.length)
  columns.forEach(({ numbers }, k) => numbers!.forEach((v, i) => (values[i * columns.length + k] = v)))
  return { target: { kind: 'values', names: columns.map((column) => column.name), values } }
}
