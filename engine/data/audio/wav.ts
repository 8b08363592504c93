/** RIFF/WAVE files: integer PCM of 8 to 32 bits and floats of 32 or 64, any number of channels, mixed down to one. */
import { DataError } from '../../errors.ts'
import type { Recording } from '../types.ts'

/** Format tags of the WAVE registry; an extensible header holds the tag proper in its first sub-format bytes. */
const PCM = 1
const FLOAT = 3
const EXTENSIBLE = 0xfffe
const NAMES: Record<number, string> = { 2: 'ADPCM', 6: 'A-law', 7: 'mu-law', 17: 'IMA ADPCM', 85: 'MP3' }

export interface WavHeader {
  rate: number
  channels: number
  /** Bits of one sample of one channel. */
  bits: number
  float: boolean
  /** Bytes of one sample of all channels. */
  block: number
  /** Where the samples lie. */
  start: number
  end: number
}

export const isWav = (head: Uint8Array): boolean => text(head, 0) === 'RIFF' && text(head, 8) === 'WAVE'

const text = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4))

/** Reads the chunks up to the samples. `size` is that of the whole file. Throws DataError naming the file. */
export function wavHeader(bytes: Uint8Array, where: string, size = bytes.length): WavHeader {
  const broken = (message: string) => new DataError(message, { where, hint: 'save it again as PCM WAV' })
  if (!isWav(bytes)) throw broken('expected a RIFF/WAVE header, found other bytes')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let format: Omit<WavHeader, 'start' | 'end'> | undefined
  for (let at = 12; at + 8 <= bytes.length;) {
    const id = text(bytes, at)
    const length = view.getUint32(at + 4, true)
    const start = at + 8
    if (id === 'fmt ') {
      if (start + 16 > bytes.length) throw broken('the file ends within its format chunk')
      if (length < 16) throw broken(`the format chunk has ${length} bytes, expected 16 or more`)
      format = formatAt(view, start, length, broken)
    } else if (id === 'data') {
      if (!format) throw broken('expected a format chunk before the samples, found none')
      if (start + length > size) {
        // Streams that never knew their length announce the most there is.
        const unknown = length === 0xffffffff
        if (!unknown) throw broken(`the header announces ${length} bytes of samples, found ${size - start}: the file is cut off`)
      }
      const end = Math.min(start + length, size)
      return { ...format, start, end: end - ((end - start) % format.block) }
    }
    at = start + length + (length % 2)
  }
  throw broken('expected a data chunk, the file ends before it')
}

function formatAt(view: DataView, at: number, length: number, broken: (message: string) => DataError) {
  const [tag, channels, rate] = [view.getUint16(at, true), view.getUint16(at + 2, true), view.getUint32(at + 4, true)]
  const [block, bits] = [view.getUint16(at + 12, true), view.getUint16(at + 14, true)]
  const extended = tag === EXTENSIBLE && length >= 26 && at + 26 <= view.byteLength
  const kind = extended ? view.getUint16(at + 24, true) : tag
  const float = kind === FLOAT
  const known = (kind === PCM && [8, 16, 24, 32].includes(bits)) || (float && (bits === 32 || bits === 64))
  if (!known) {
    throw broken(`expected PCM of 8, 16, 24 or 32 bits or floats, found ${bits} bits of format ${NAMES[kind] ?? kind}`)
  }
  if (channels === 0 || rate === 0 || block !== (channels * bits) / 8) {
    throw broken(`the format chunk contradicts itself: ${channels} channels of ${bits} bits in ${block} bytes, ${rate} Hz`)
  }
  return { rate, channels, bits, float, block }
}

/** All samples of a file held in memory, in [-1, 1], channels averaged. Throws DataError naming the file. */
export function decodeWav(bytes: Uint8Array, where: string): Recording {
  const { rate, channels, bits, float, block, start, end } = wavHeader(bytes, where)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const read = readerOf(view, bits, float)
  const samples = new Float32Array((end - start) / block)
  const width = bits / 8
  for (let n = 0; n < samples.length; n++) {
    let sum = 0
    for (let c = 0; c < channels; c++) sum += read(start + n * block + c * width)
    samples[n] = sum / channels
  }
  const bad = samples.findIndex((v) => !Number.isFinite(v))
  if (bad >= 0) throw new DataError(`sample ${bad} is no number`, { where })
  return { samples, rate, name: where }
}

function readerOf(view: DataView, bits: number, float: boolean): (at: number) => number {
  if (float) return bits === 32 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true)
  // Eight bits are unsigned with 128 as silence; all wider ones are signed.
  if (bits === 8) return (at) => (view.getUint8(at) - 128) / 2 ** 7
  if (bits === 16) return (at) => view.getInt16(at, true) / 2 ** 15
  if (bits === 24) return (at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 2 ** 16) / 2 ** 23
  return (at) => view.getInt32(at, true) / 2 ** 31
}
