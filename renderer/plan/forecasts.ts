/** How well earlier forecasts were met: the ratios of real to forecast time that the page remembers, newest last. */
export function accuracyOfForecasts(remembered: unknown): { median: number; count: number } | undefined {
  const ratios = Array.isArray(remembered) ? remembered.filter((r): r is number => typeof r === 'number' && Number.isFinite(r)) : []
  if (ratios.length === 0) return undefined
  const sorted = ratios.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return { median: sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2, count: sorted.length }
}
