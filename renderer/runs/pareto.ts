/** Points that no other beats: none is at least as good in both and better in one. */
export function frontOf<P>(points: readonly P[], cost: (point: P) => number, quality: (point: P) => number, lower = false): P[] {
  const sign = lower ? -1 : 1
  const sorted = points.toSorted((a, b) => cost(a) - cost(b) || sign * (quality(b) - quality(a)))
  const front: P[] = []
  let best = -Infinity
  for (const point of sorted) {
    const value = sign * quality(point)
    if (value > best) {
      front.push(point)
      best = value
    }
  }
  return front
}
