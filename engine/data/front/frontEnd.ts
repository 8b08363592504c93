import type { InputSpec, MapBox, RawBatch } from '../types.ts'

/** How one kind of raw samples becomes what a model is fed, in two halves: what the first makes is kept in memory. */
export interface FrontEnd {
  /** Inputs of one sample; the first is the main one. */
  readonly inputs: readonly InputSpec[]
  /** Shape of what is kept of a sample, and whether it is bytes (else float32). */
  readonly kept: { readonly shape: readonly number[]; readonly bytes: boolean }
  /** Of pictures: the part that is kept. */
  readonly box?: MapBox
  /** Samples in the order given, one kept row each. Throws DataError for a sample that does not fit. */
  first(raw: RawBatch): Uint8Array | Float32Array
  /** The inputs of `count` kept rows, row-major. */
  second(kept: Uint8Array | Float32Array, count: number): Float32Array[]
}
