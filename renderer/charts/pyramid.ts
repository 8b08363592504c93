/** Buckets of a growing curve, at most, and at least half as many: one for every few pixels of a chart, each with its extremes. */
const BUCKETS = 256

interface Bucket {
  first: number
  /** Indices of the extremes, -1 where no value is finite. */
  low: number
  high: number
  last: number
}

/**
 * What a chart draws of a growing curve: of each of equal parts the first, lowest, highest and last point, kept up to date point by point, so that a
 * redraw costs the same after a hundred points and after a million. The same choice as `thin` makes of a finished curve (Jugel et al., "M4", VLDB 2014).
 */
export class Pyramid {
  #buckets: Bucket[] = []
  /** Points of a bucket, a power of two. */
  #size = 1
  #count = 0

  get length(): number {
    return this.#count
  }

  /** Take in the next value of the curve. */
  push(values: readonly number[]): void {
    const at = this.#count++
    const value = values[at]!
    const finite = Number.isFinite(value)
    const bucket = this.#buckets.at(-1)
    if (!bucket || at % this.#size === 0) this.#buckets.push({ first: at, low: finite ? at : -1, high: finite ? at : -1, last: at })
    else {
      bucket.last = at
      if (finite && (bucket.low < 0 || value < values[bucket.low]!)) bucket.low = at
      if (finite && (bucket.high < 0 || value > values[bucket.high]!)) bucket.high = at
    }
    if (this.#buckets.length > BUCKETS) this.#halve(values)
  }

  #halve(values: readonly number[]): void {
    const merged: Bucket[] = []
    for (let i = 0; i < this.#buckets.length; i += 2) {
      const [a, b] = [this.#buckets[i]!, this.#buckets[i + 1]]
      if (!b) merged.push(a)
      else {
        const low = a.low < 0 || (b.low >= 0 && values[b.low]! < values[a.low]!) ? b.low : a.low
        const high = a.high < 0 || (b.high >= 0 && values[b.high]! > values[a.high]!) ? b.high : a.high
        merged.push({ first: a.first, low, high, last: b.last })
      }
    }
    this.#buckets = merged
    this.#size *= 2
  }

  /** Indices of the points to draw, ascending. */
  kept(): number[] {
    const out: number[] = []
    for (const { first, low, high, last } of this.#buckets) {
      const inner = low < high ? [low, high] : [high, low]
      for (const i of [first, ...inner, last]) if (i >= 0 && i > (out.at(-1) ?? -1)) out.push(i)
    }
    return out
  }
}
