/** Sparse matrices as SciPy stores them: compressed rows, whose parts are arrays of an NPZ file. */
import { DataError } from '../../errors.ts'
import { arrayOf, type Arrays } from './npz.ts'

export interface Dense {
  rows: number
  columns: number
  /** [rows, columns]. */
  values: Float32Array
}

/** The arrays `name_data`, `name_indices`, `name_indptr` and `name_shape` (or SciPy's own, without a name) as a dense matrix. */
export function denseRows(arrays: Arrays, name: string, where: string): Dense {
  const part = (what: string) => arrayOf(arrays, name === '' ? what : `${name}_${what}`, where)
  const [data, indices, starts] = [part('data').data, part('indices').data, part('indptr').data]
  const shape = part('shape').data
  // Some writers store the shape of the transposed matrix: the row starts decide.
  const rows = starts.length - 1
  const columns = shape[0] === rows ? shape[1]! : shape[1] === rows ? shape[0]! : -1
  const broken = (message: string) => new DataError(message, { where: `${where}: ${name || 'matrix'}` })
  if (rows < 1 || columns < 0)
    throw broken(`expected ${rows} rows as the row starts say, found shape [${Array.from(shape).join(', ')}]`)
  if (starts[rows] !== data.length || indices.length !== data.length)
    throw broken(
      `expected ${starts[rows]} entries as the row starts say, found ${data.length} values and ${indices.length} columns`,
    )
  const values = new Float32Array(rows * columns)
  for (let r = 0; r < rows; r++) {
    for (let i = starts[r]!; i < starts[r + 1]!; i++) {
      const c = indices[i]!
      if (!(c >= 0 && c < columns)) throw broken(`expected columns below ${columns}, found ${c} in row ${r}`)
      values[r * columns + c]! += data[i]!
    }
  }
  return { rows, columns, values }
}
