/** What this folder uses of the package, which declares no types. */
declare module 'fft.js' {
  export default class FFT {
    /** @param size a power of two, at least 2 */
    constructor(size: number)
    readonly size: number
    /** Space for `size` complex numbers, real and imaginary parts in turn. */
    createComplexArray(): number[]
    /** Spectrum of `size` real numbers; only the first half (and the Nyquist frequency) is filled. */
    realTransform(out: number[] | Float64Array, data: ArrayLike<number>): void
  }
}
