/**
 * Distribution of a stream of numbers in fixed memory. Bins are equal and lie on [-limit, limit]; when a number falls outside, the
 * limit doubles and neighbouring bins are merged, so nothing has to be seen twice. Zeros are counted apart: they are always exactly
 * representable, and after a Relu they would hide everything else.
 */
export class Histogram {
  static readonly BINS = 4096
  readonly counts = new Float64Array(Histogram.BINS)
  zeros = 0
  /** Numbers seen, zeros included. */
  total = 0
  min = Infinity
  max = -Infinity
  /** Moving averages of the smallest and the largest number of each call of `add`: one unusual batch moves them little. */
  averageMin = NaN
  averageMax = NaN
  /** NaN and infinite numbers, which are not counted. */
  invalid = 0
  #limit = 0

  get limit(): number {
    return this.#limit
  }

  get width(): number {
    return (2 * this.#limit) / Histogram.BINS
  }

  /** Centre of a bin. */
  centre(bin: number): number {
    return (bin + 0.5) * this.width - this.#limit
  }

  /** The bin of a number within the limit. */
  binOf(x: number): number {
    return Math.max(0, Math.min(Histogram.BINS - 1, Math.floor((x + this.#limit) / this.width)))
  }

  add(values: ArrayLike<number>): void {
    let largest = 0
    let [low, high] = [Infinity, -Infinity]
    for (let i = 0; i < values.length; i++) {
      const x = values[i]!
      const size = Math.abs(x)
      if (!(size < Infinity)) continue
      if (size > largest) largest = size
      if (x < low) low = x
      if (x > high) high = x
    }
    this.min = Math.min(this.min, low)
    this.max = Math.max(this.max, high)
    if (low <= high) {
      this.averageMin = moved(this.averageMin, low)
      this.averageMax = moved(this.averageMax, high)
    }
    this.#reach(largest)
    const scale = this.#limit > 0 ? Histogram.BINS / (2 * this.#limit) : 0
    const { counts } = this
    for (let i = 0; i < values.length; i++) {
      const x = values[i]!
      if (x === 0) this.zeros++
      else if (Math.abs(x) < Infinity) {
        const bin = Math.floor((x + this.#limit) * scale)
        counts[bin < Histogram.BINS ? bin : Histogram.BINS - 1]!++
      } else {
        this.invalid++
        continue
      }
      this.total++
    }
  }

  /** Merges pairs of bins around the middle until `size` fits. */
  #reach(size: number): void {
    if (size === 0) return
    if (this.#limit === 0) {
      // Subnormal numbers would make the bins' width vanish.
      this.#limit = Math.max(size, 1e-30)
      return
    }
    const half = Histogram.BINS / 2
    while (size > this.#limit) {
      this.#limit *= 2
      const old = this.counts.slice()
      this.counts.fill(0)
      for (let i = 0; i < Histogram.BINS; i++) this.counts[half / 2 + (i >> 1)]! += old[i]!
    }
  }

  /** Adds what another histogram saw; its bins are counted at their centres. */
  merge(other: Histogram): void {
    this.#reach(other.limit)
    for (let i = 0; i < Histogram.BINS; i++) if (other.counts[i]! > 0) this.counts[this.binOf(other.centre(i))]! += other.counts[i]!
    this.zeros += other.zeros
    this.total += other.total
    this.invalid += other.invalid
    this.min = Math.min(this.min, other.min)
    this.max = Math.max(this.max, other.max)
    // What shares a scale must fit in all together.
    this.averageMin = least(this.averageMin, other.averageMin, Math.min)
    this.averageMax = least(this.averageMax, other.averageMax, Math.max)
  }
}

/** Weight of what was seen before in a moving average. */
const MOMENTUM = 0.9
const moved = (old: number, now: number): number => (Number.isNaN(old) ? now : MOMENTUM * old + (1 - MOMENTUM) * now)
const least = (a: number, b: number, of: (a: number, b: number) => number): number =>
  Number.isNaN(a) ? b : Number.isNaN(b) ? a : of(a, b)
