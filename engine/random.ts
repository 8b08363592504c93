/**
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
 * A draw is a pure function of (seed, stream, index): nothing is advanced, so a resumed run, or one that visits samples in another
 * order, sees the same numbers.
 *
 * Within one stream `uint32(i)`, `uniform(i)`, `int(i)` and `normal(i)` are views of the same words: use another stream, or other
 * indices, for draws that must be independent.
 */

export type StreamPart = string | number

/** Array kinds that can be filled with real numbers. */
export type RealArray = Float32Array | Float64Array

const M0 = 0xd2511f53
const M1 = 0xcd9e8d57
const W0 = 0x9e3779b9
const W1 = 0xbb67ae85
const TWO_POW_32 = 2 ** 32
/** High counter word of the draws that need a varying number of words; plain draws would need 2^65 indices to get there. */
const REJECTION_PLANE = 0x80000000

/** High 32 bits of the 64-bit product of two 32-bit numbers (a double cannot hold the product). */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const carry = aLow * bHigh + (middle & 0xffff)
  return (aHigh * bHigh + (middle >>> 16) + (carry >>> 16)) | 0
}

/** Philox4x32-10: four counter words and two key words to four random words, written to `out`. */
export function philox(c0: number, c1: number, c2: number, c3: number, k0: number, k1: number, out: Uint32Array): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0)
    const high1 = mulHigh(M1, c2)
    const low0 = Math.imul(M0, c0)
    const low1 = Math.imul(M1, c2)
    c0 = high1 ^ c1 ^ k0
    c1 = low1
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    k0 = (k0 + W0) | 0
    k1 = (k1 + W1) | 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
}

const float64 = new Float64Array(1)
const float64Words = new Uint32Array(float64.buffer)

/** Folds seed and stream parts into four words; each part is tagged and closed, so ['ab'] and ['a', 'b'] differ, as do '1' and 1. */
function hashStream(state: Uint32Array, parts: readonly StreamPart[]): void {
  const absorb = (a: number, b: number) => {
    philox(state[0]! ^ a, state[1]! ^ b, state[2]!, state[3]!, W1, W0, state)
  }
  for (const part of parts) {
    if (typeof part === 'number') {
      float64[0] = part + 0 // -0 and 0 are the same stream
      absorb(float64Words[0]!, float64Words[1]!)
      absorb(1, 8)
    } else {
      for (let i = 0; i < part.length; i += 2) absorb(part.charCodeAt(i), i + 1 < part.length ? part.charCodeAt(i + 1) : 0x10000)
      absorb(2, part.length)
    }
  }
}

/** One stream of random numbers. Make it with `random(seed, ...stream)`. */
export class Random {
  readonly #hash: Uint32Array
  readonly #block = new Uint32Array(4)
  #blockIndex = -1

  /** @internal `hash`: four words that name the stream: two become the key, two the upper half of the counter. */
  constructor(hash: Uint32Array) {
    this.#hash = hash
  }

  /** The stream named by this one's name followed by `stream`; independent of this one. */
  fork(...stream: StreamPart[]): Random {
    const hash = this.#hash.slice()
    hashStream(hash, stream)
    return new Random(hash)
  }

  #load(low: number, high: number, out: Uint32Array): void {
    const h = this.#hash
    philox(low, high, h[2]!, h[3]!, h[0]!, h[1]!, out)
  }

  /** The i-th word, an integer in [0, 2^32). `i` is an integer >= 0. */
  uint32(i: number): number {
    const index = Math.floor(i / 4)
    if (index !== this.#blockIndex) {
      this.#load(index | 0, Math.floor(index / TWO_POW_32), this.#block)
      this.#blockIndex = index
    }
    return this.#block[i & 3]!
  }

  /** Uniform in [0, 1), a multiple of 2^-24, so that it stays below 1 in float32 too. */
  uniform(i: number): number {
    return (this.uint32(i) >>> 8) / 0x1000000
  }

  /** Uniform integer in [0, n), n <= 2^32; its bias is below n / 2^32. */
  int(i: number, n: number): number {
    return Math.floor((this.uint32(i) / TWO_POW_32) * n)
  }

  /** Standard normal by Box-Muller: words 2j and 2j+1 make the pair normal(2j), normal(2j+1). */
  normal(i: number): number {
    const even = i - (i % 2)
    const radius = Math.sqrt(-2 * Math.log((this.uint32(even) + 1) / TWO_POW_32))
    const angle = (2 * Math.PI * this.uint32(even + 1)) / TWO_POW_32
    return radius * (i === even ? Math.cos(angle) : Math.sin(angle))
  }

  /** Fills with uniform numbers in [lo, hi), element i from word i. Returns the array. */
  fillUniform<T extends RealArray>(array: T, lo = 0, hi = 1): T {
    for (let i = 0; i < array.length; i++) array[i] = lo + (hi - lo) * this.uniform(i)
    return array
  }

  /** Fills with normal numbers, element i is mean + std * normal(i). Returns the array. */
  fillNormal<T extends RealArray>(array: T, mean = 0, std = 1): T {
    for (let i = 0; i < array.length; i += 2) {
      const radius = std * Math.sqrt(-2 * Math.log((this.uint32(i) + 1) / TWO_POW_32))
      const angle = (2 * Math.PI * this.uint32(i + 1)) / TWO_POW_32
      array[i] = mean + radius * Math.cos(angle)
      if (i + 1 < array.length) array[i + 1] = mean + radius * Math.sin(angle)
    }
    return array
  }

  /** A uniformly drawn order of 0 .. n-1 (Fisher-Yates). */
  permutation(n: number): Int32Array {
    const order = new Int32Array(n)
    for (let i = 0; i < n; i++) order[i] = i
    for (let i = n - 1; i > 0; i--) {
      const j = this.int(i, i + 1)
      const kept = order[i]!
      order[i] = order[j]!
      order[j] = kept
    }
    return order
  }

  /** The i-th draw of Gamma(shape, 1), shape > 0. */
  gamma(i: number, shape: number): number {
    return Math.exp(this.#logGamma(i, shape))
  }

  /** The i-th draw of Beta(a, b), a > 0 and b > 0, in [0, 1]. */
  beta(i: number, a: number, b: number): number {
    // In logarithms: for small a and b both gamma draws underflow to zero and their ratio would be NaN.
    return 1 / (1 + Math.exp(this.#logGamma(2 * i + 1, b) - this.#logGamma(2 * i, a)))
  }

  /** Logarithm of a gamma draw: Marsaglia and Tsang 2000, with Gamma(a) = Gamma(a + 1) U^(1/a) below shape 1. */
  #logGamma(i: number, shape: number): number {
    const d = (shape < 1 ? shape + 1 : shape) - 1 / 3
    const c = 1 / Math.sqrt(9 * d)
    const words = new Uint32Array(4)
    for (let attempt = 0; ; attempt++) {
      this.#load(i, REJECTION_PLANE + attempt, words)
      const radius = Math.sqrt(-2 * Math.log((words[0]! + 1) / TWO_POW_32))
      const x = radius * Math.cos((2 * Math.PI * words[1]!) / TWO_POW_32)
      const v = (1 + c * x) ** 3
      if (v <= 0) continue
      const accept = Math.log((words[2]! + 0.5) / TWO_POW_32)
      if (accept >= 0.5 * x * x + d - d * v + d * Math.log(v)) continue
      const boost = shape < 1 ? Math.log((words[3]! + 0.5) / TWO_POW_32) / shape : 0
      return Math.log(d * v) + boost
    }
  }
}

/**
 * The stream of random numbers named by a seed and any number of strings and numbers,
 * e.g. `random(seed, 'shuffle', epoch)`. Different names give independent streams.
 */
export function random(seed: number, ...stream: StreamPart[]): Random {
  const hash = Uint32Array.of(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344)
  hashStream(hash, [seed, ...stream])
  return new Random(hash)
}
