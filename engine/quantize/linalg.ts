import { BugError } from '../errors.ts'

/** Lower Cholesky factor L of a symmetric positive definite matrix, A = L L^T; row-major [n, n]. Undefined where A is not positive definite. */
export function cholesky(a: Float64Array, n: number): Float64Array | undefined {
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!
      if (i === j) {
        if (!(sum > 0)) return undefined
        l[i * n + i] = Math.sqrt(sum)
      } else l[i * n + j] = sum / l[j * n + j]!
    }
  return l
}

/** Inverse of a symmetric positive definite matrix from its lower Cholesky factor. */
export function inverseFromCholesky(l: Float64Array, n: number): Float64Array {
  // Columns of L^-1 by forward substitution, kept as rows so that both loops run along memory; A^-1 = L^-T L^-1.
  const inverse = new Float64Array(n * n)
  for (let c = 0; c < n; c++) {
    const row = c * n
    for (let i = c; i < n; i++) {
      let sum = i === c ? 1 : 0
      for (let k = c; k < i; k++) sum -= l[i * n + k]! * inverse[row + k]!
      inverse[row + i] = sum / l[i * n + i]!
    }
  }
  const out = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0
      for (let k = i; k < n; k++) sum += inverse[i * n + k]! * inverse[j * n + k]!
      out[i * n + j] = out[j * n + i] = sum
    }
  return out
}

/** The inverse's upper factor U with A^-1 = U^T U, of A after adding `damp` times its mean diagonal, more where that is not enough. */
export function inverseFactor(a: Float64Array, n: number, damp: number): Float64Array {
  const mean = Array.from({ length: n }, (_, i) => a[i * n + i]!).reduce((s, v) => s + v, 0) / n
  for (let share = damp; share < 1e3; share *= 10) {
    const damped = a.slice()
    for (let i = 0; i < n; i++) damped[i * n + i]! += share * (mean || 1)
    const l = cholesky(damped, n)
    const upper = l && cholesky(inverseFromCholesky(l, n), n)
    if (!upper) continue
    const u = new Float64Array(n * n)
    for (let i = 0; i < n; i++) for (let j = i; j < n; j++) u[i * n + j] = upper[j * n + i]!
    return u
  }
  throw new BugError('the inputs of a layer have no finite second moments')
}
