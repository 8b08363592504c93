/** A dimension: a size, or the name of an unknown one ('' for unnamed). */
export type Dim = number | string
export type Shape = readonly Dim[]

/** Number of elements of a concrete shape; 1 for a scalar. */
export const sizeOf = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1)

export const isConcrete = (shape: Shape): shape is readonly number[] => shape.every((d) => typeof d === 'number')

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i])

/** NumPy broadcasting; undefined where the shapes do not fit. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length)
  const out: number[] = []
  for (let i = 0; i < rank; i++) {
    const da = a[a.length - rank + i] ?? 1
    const db = b[b.length - rank + i] ?? 1
    if (da !== db && da !== 1 && db !== 1) return undefined
    out.push(da === 1 ? db : da)
  }
  return out
}

/** `[2, 3, batch]`, the form used in messages and the text printer. */
export const showShape = (shape: Shape | undefined): string =>
  shape === undefined ? '[...]' : `[${shape.map((d) => (d === '' ? '?' : d)).join(', ')}]`

/** Row-major strides in elements. */
export function strides(dims: readonly number[]): number[] {
  const out = new Array<number>(dims.length)
  let step = 1
  for (let i = dims.length - 1; i >= 0; i--) {
    out[i] = step
    step *= dims[i]!
  }
  return out
}

/** Axis in [0, rank), accepting negative ones. */
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)
