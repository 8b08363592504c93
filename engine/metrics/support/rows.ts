/** Arithmetic on rows of logits, in double precision. */

/** Index of the greatest, the first of equals; -1 when there is a NaN, which is no answer. */
export function argmax(rows: Float32Array, classes: number, n: number): number {
  let best = 0
  const start = n * classes
  for (let k = 0; k < classes; k++) {
    const v = rows[start + k]!
    if (Number.isNaN(v)) return -1
    if (v > rows[start + best]!) best = k
  }
  return best
}

/** How many classes come before `label` in row `n`: 0 when it is the answer. Infinite for a row with NaN or a label out of range. */
export function rankOf(rows: Float32Array, classes: number, n: number, label: number): number {
  const start = n * classes
  if (!(label >= 0 && label < classes)) return Infinity
  const own = rows[start + label]!
  let rank = 0
  for (let k = 0; k < classes; k++) {
    const v = rows[start + k]!
    if (Number.isNaN(v)) return Infinity
    if (v > own || (v === own && k < label)) rank++
  }
  return rank
}

/** Log-softmax of row `n`; log-probabilities come out as they went in. */
export function logSoftmax(rows: Float32Array, classes: number, n: number): Float64Array {
  const row = Float64Array.from(rows.subarray(n * classes, (n + 1) * classes))
  const highest = row.reduce((a, b) => Math.max(a, b), -Infinity)
  const logSum = Math.log(row.reduce((sum, v) => sum + Math.exp(v - highest), 0))
  return row.map((v) => v - highest - logSum)
}
