/**
 * Cutting a box out of images and scaling it to a size: separable triangle filter, widened when shrinking (anti-aliased), as Pillow's
 * BILINEAR does, which most teachers were trained with. A pure function: no threads, the same on every machine.
 */

/** A box in pixels, edges included: [0, 0, height, width] is the whole picture. */
export interface Box {
  top: number
  left: number
  height: number
  width: number
}

type Pixels = Uint8Array | Float32Array

/** For each target position, the first source position and the weights from there on (they sum to 1). */
function taps(start: number, length: number, source: number, target: number): { first: Int32Array; weights: Float32Array[] } {
  const scale = length / target
  const support = Math.max(scale, 1)
  const first = new Int32Array(target)
  const weights = Array.from({ length: target }, (_, i) => {
    const centre = start + (i + 0.5) * scale
    const from = Math.max(0, Math.floor(centre - support + 0.5))
    const to = Math.min(source, Math.max(from + 1, Math.floor(centre + support + 0.5)))
    first[i] = Math.min(from, source - 1)
    const w = Float32Array.from({ length: to - first[i] }, (_, k) =>
      Math.max(0, 1 - Math.abs((first[i]! + k + 0.5 - centre) / support)),
    )
    const sum = w.reduce((a, b) => a + b, 0)
    return sum > 0 ? w.map((v) => v / sum) : w.fill(1 / w.length)
  })
  return { first, weights }
}

/**
 * One image (height x width x channels, at `offset` of `source`) to `toHeight` x `toWidth` x channels, written to `out` at `outOffset`.
 * Byte targets are rounded.
 */
export function resample(
  source: Pixels,
  offset: number,
  [height, width, channels]: readonly [number, number, number],
  box: Box,
  [toHeight, toWidth]: readonly [number, number],
  out: Pixels,
  outOffset: number,
): void {
  const columns = taps(box.left, box.width, width, toWidth)
  const rows = taps(box.top, box.height, height, toHeight)
  const firstRow = rows.first[0]!
  const lastRow = rows.first[toHeight - 1]! + rows.weights[toHeight - 1]!.length
  const wide = new Float32Array((lastRow - firstRow) * toWidth * channels)
  for (let y = firstRow; y < lastRow; y++) {
    for (let x = 0; x < toWidth; x++) {
      const w = columns.weights[x]!
      const from = offset + (y * width + columns.first[x]!) * channels
      for (let c = 0; c < channels; c++) {
        let sum = 0
        for (let k = 0; k < w.length; k++) sum += w[k]! * source[from + k * channels + c]!
        wide[((y - firstRow) * toWidth + x) * channels + c] = sum
      }
    }
  }
  const rowSize = toWidth * channels
  const isBytes = out instanceof Uint8Array
  for (let y = 0; y < toHeight; y++) {
    const w = rows.weights[y]!
    const from = (rows.first[y]! - firstRow) * rowSize
    for (let i = 0; i < rowSize; i++) {
      let sum = 0
      for (let k = 0; k < w.length; k++) sum += w[k]! * wide[from + k * rowSize + i]!
      out[outOffset + y * rowSize + i] = isBytes ? Math.min(255, Math.max(0, Math.round(sum))) : sum
    }
  }
}
