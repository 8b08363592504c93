/**
 * Thinning a curve for drawing. Shared by the handler that answers with stored curves and the chart that draws live ones: both
 * must keep every extreme, or a spike in the loss would come and go with the zoom.
 */

/**
 * Indices of at most `most` points (at least 4) whose line looks like that of all: in each of equal parts of the list the first, the
 * lowest, the highest and the last, in order. Values that are not finite count as neither low nor high.
 * Source: the M4 aggregation of Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014.
 */
export function thin(values: ArrayLike<number | null>, most: number): number[] {
  const length = values.length
  if (length <= most) return Array.from({ length }, (_, i) => i)
  const parts = Math.max(1, Math.floor(most / 4))
  const kept: number[] = []
  for (let part = 0; part < parts; part++) {
    const start = Math.floor((part * length) / parts)
    const end = Math.floor(((part + 1) * length) / parts)
    let [low, high] = [-1, -1]
    for (let i = start; i < end; i++) {
      const v = values[i]
      if (v === null || v === undefined || !Number.isFinite(v)) continue
      if (low < 0 || v < values[low]!) low = i
      if (high < 0 || v > values[high]!) high = i
    }
    const chosen = [start, low, high, end - 1].filter((i) => i >= 0).sort((a, b) => a - b)
    for (const i of chosen) if (kept.at(-1) !== i) kept.push(i)
  }
  return kept
}
