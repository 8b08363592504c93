import { describe, expect, it } from 'vitest'
import { random } from '../../random.ts'
import { frameCount, fromMel, hann, makeLogMel, melFilters, toMel, type MelOptions } from './logMel.ts'
import { fitLength, resampleAudio } from './resampleAudio.ts'
import { decodeWav } from './wav.ts'

const options: MelOptions = {
  sampleRate: 8000,
  window: 100,
  hop: 40,
  fft: 128,
  mels: 12,
  lowest: 50,
  highest: 4000,
  scale: 'htk',
  floor: 1e-9,
}

/** |X[k]|^2 by the definition of the discrete Fourier transform, in double precision. */
function power(frame: ArrayLike<number>, size: number, k: number): number {
  let [re, im] = [0, 0]
  for (let n = 0; n < frame.length; n++) {
    re += frame[n]! * Math.cos((-2 * Math.PI * k * n) / size)
    im += frame[n]! * Math.sin((-2 * Math.PI * k * n) / size)
  }
  return re * re + im * im
}

/** Height of filter m of `mels` at frequency f, from its corners. */
function triangle(f: number, m: number, o: MelOptions): number {
  const corner = (i: number) => {
    const [low, high] = [2595 * Math.log10(1 + o.lowest / 700), 2595 * Math.log10(1 + o.highest / 700)]
    return 700 * (10 ** ((low + ((high - low) * i) / (o.mels + 1)) / 2595) - 1)
  }
  const [a, b, c] = [corner(m), corner(m + 1), corner(m + 2)]
  return f <= a || f >= c ? 0 : f <= b ? (f - a) / (b - a) : (c - f) / (c - b)
}

describe('log-mel spectrograms', () => {
  it('are what the definition says, by a direct transform', () => {
    const samples = random(1, 'wave').fillNormal(new Float32Array(300), 0, 0.3)
    const got = makeLogMel(options)(samples)
    const frames = frameCount(300, options)
    expect(frames).toBe(6)
    expect(got).toHaveLength(frames * options.mels)
    for (let t = 0; t < frames; t++) {
      const frame = Array.from({ length: 100 }, (_, n) => samples[t * 40 + n]! * Math.sin((Math.PI * n) / 100) ** 2)
      for (let m = 0; m < options.mels; m++) {
        let sum = 0
        for (let k = 0; k <= 64; k++) sum += triangle((k * 8000) / 128, m, options) * power(frame, 128, k)
        expect(got[t * options.mels + m]).toBeCloseTo(Math.log(Math.max(1e-9, sum)), 4)
      }
    }
  })

  it('put a tone into the filter at its frequency, and silence at the floor', () => {
    const tone = Float32Array.from({ length: 400 }, (_, n) => 0.5 * Math.sin((2 * Math.PI * 1000 * n) / 8000))
    const row = makeLogMel(options)(tone).subarray(0, options.mels)
    const centres = Array.from({ length: 12 }, (_, m) => {
      const [low, high] = [toMel(50, 'htk'), toMel(4000, 'htk')]
      return Math.abs(fromMel(low + ((high - low) * (m + 1)) / 13, 'htk') - 1000)
    })
    expect(row.indexOf(Math.max(...row))).toBe(centres.indexOf(Math.min(...centres)))
    expect(makeLogMel(options)(new Float32Array(100))[0]).toBeCloseTo(Math.log(1e-9), 5)
  })

  it('use the periodic Hann window', () => {
    expect(Array.from(hann(4))).toEqual([0, 0.5, 1, 0.5].map((v) => expect.closeTo(v, 12) as number))
    // Copies half a window apart add up to one.
    const w = hann(64)
    for (let n = 0; n < 32; n++) expect(w[n]! + w[n + 32]!).toBeCloseTo(1, 12)
  })

  it('know both mel scales', () => {
    // HTK: 1000 Hz is 1000 mel by construction. Slaney: 1000 Hz is 15 mel, 6400 Hz 42.
    expect(toMel(1000, 'htk')).toBeCloseTo(1000, 1)
    expect(toMel(1000, 'slaney')).toBeCloseTo(15, 10)
    expect(toMel(6400, 'slaney')).toBeCloseTo(42, 10)
    for (const scale of ['htk', 'slaney'] as const)
      for (const f of [0, 440, 999, 1001, 7000]) expect(fromMel(toMel(f, scale), scale)).toBeCloseTo(f, 6)
  })

  it('filters of the Slaney scale have area 1, those of HTK height 1', () => {
    const fine = { ...options, fft: 8192, mels: 8 }
    for (const filter of melFilters({ ...fine, scale: 'slaney' }))
      expect((filter.reduce((a, b) => a + b, 0) * 8000) / 8192).toBeCloseTo(1, 2)
    for (const filter of melFilters(fine)) expect(Math.max(...filter)).toBeCloseTo(1, 1)
  })
})

describe('resampling', () => {
  const tone = (rate: number, hertz: number, length: number) =>
    Float32Array.from({ length }, (_, n) => Math.sin((2 * Math.PI * hertz * n) / rate))

  it.each([
    [8000, 16000],
    [16000, 8000],
    [44100, 16000],
  ])('keeps a tone, %i to %i Hz', (from, to) => {
    const got = resampleAudio(tone(from, 440, from / 10), from, to)
    const wanted = tone(to, 440, to / 10)
    expect(got).toHaveLength(wanted.length)
    // The ends lack neighbours.
    for (let n = 60; n < wanted.length - 60; n++) expect(got[n]).toBeCloseTo(wanted[n]!, 2)
  })

  it('removes what the lower rate cannot hold', () => {
    const got = resampleAudio(tone(16000, 6000, 1600), 16000, 8000)
    expect(Math.max(...got.subarray(60, 740).map(Math.abs))).toBeLessThan(0.02)
  })

  it('pads and crops at the end or at both ends', () => {
    const samples = Float32Array.of(1, 2, 3, 4, 5)
    expect(Array.from(fitLength(samples, 7, 'end'))).toEqual([1, 2, 3, 4, 5, 0, 0])
    expect(Array.from(fitLength(samples, 7, 'centre'))).toEqual([0, 1, 2, 3, 4, 5, 0])
    expect(Array.from(fitLength(samples, 3, 'end'))).toEqual([1, 2, 3])
    expect(Array.from(fitLength(samples, 3, 'centre'))).toEqual([2, 3, 4])
  })
})

describe('WAV files', () => {
  /** A file by the definition of the format. `width` bytes a sample, `write` puts one value at an offset. */
  function wav(o: {
    tag?: number
    bits: number
    channels?: number
    body: Buffer
    extensible?: boolean
    announced?: number
  }): Buffer {
    const { tag = 1, bits, channels = 1, body, extensible = false } = o
    const format = Buffer.alloc(extensible ? 40 : 16)
    format.writeUInt16LE(extensible ? 0xfffe : tag, 0)
    format.writeUInt16LE(channels, 2)
    format.writeUInt32LE(8000, 4)
    format.writeUInt32LE((8000 * channels * bits) / 8, 8)
    format.writeUInt16LE((channels * bits) / 8, 12)
    format.writeUInt16LE(bits, 14)
    if (extensible) format.writeUInt16LE(tag, 24)
    const chunk = (id: string, content: Buffer, size = content.length) => {
      const head = Buffer.alloc(8)
      head.write(id)
      head.writeUInt32LE(size, 4)
      return Buffer.concat([head, content, Buffer.alloc(content.length % 2)])
    }
    const inner = [Buffer.from('WAVE'), chunk('LIST', Buffer.from('abc')), chunk('fmt ', format), chunk('data', body, o.announced)]
    const all = Buffer.concat(inner)
    const head = Buffer.alloc(8)
    head.write('RIFF')
    head.writeUInt32LE(all.length, 4)
    return Buffer.concat([head, all])
  }
  const wanted = [0, 0.5, -0.5, -1]
  const ints = (bytes: number, values: number[]) => {
    const body = Buffer.alloc(bytes * values.length)
    values.forEach((v, i) => body.writeIntLE(v, i * bytes, bytes))
    return body
  }

  it.each([
    ['8 bits', { bits: 8, body: Buffer.from([128, 192, 64, 0]) }],
    ['16 bits', { bits: 16, body: ints(2, [0, 16384, -16384, -32768]) }],
    ['24 bits', { bits: 24, body: ints(3, [0, 2 ** 22, -(2 ** 22), -(2 ** 23)]) }],
    ['32 bits', { bits: 32, body: ints(4, [0, 2 ** 30, -(2 ** 30), -(2 ** 31)]) }],
    ['floats', { bits: 32, tag: 3, body: Buffer.from(Float32Array.from(wanted).buffer) }],
    ['doubles', { bits: 64, tag: 3, body: Buffer.from(Float64Array.from(wanted).buffer) }],
    ['an extensible header', { bits: 16, extensible: true, body: ints(2, [0, 16384, -16384, -32768]) }],
    ['two channels', { bits: 16, channels: 2, body: ints(2, [0, 0, 16384, 16384, 0, -32768, -32768, -32768]) }],
  ])('of %s', (_, file) => {
    const { samples, rate } = decodeWav(wav(file), 'a.wav')
    expect(rate).toBe(8000)
    expect(Array.from(samples)).toEqual(wanted)
  })

  const body = ints(2, [1, 2, 3, 4])
  it.each([
    ['a cut file', wav({ bits: 16, body }).subarray(0, -3), /announces 8 bytes of samples, found 5/],
    ['another file', Buffer.from('RIFX....WAVEfmt '), /RIFF\/WAVE/],
    ['no samples', wav({ bits: 16, body }).subarray(0, 52), /expected a data chunk/],
    ['half a format', wav({ bits: 16, body }).subarray(0, 40), /ends within its format chunk/],
    ['A-law', wav({ bits: 8, tag: 6, body }), /found 8 bits of format A-law/],
    ['12 bits', wav({ bits: 12, body }), /found 12 bits/],
    [
      'values that are no numbers',
      wav({ bits: 32, tag: 3, body: Buffer.from(Float32Array.of(0, NaN).buffer) }),
      /sample 1 is no number/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeWav(bytes, 'a.wav')).toThrow(
      expect.objectContaining({ code: 'data', where: 'a.wav', message: expect.stringMatching(message) as string }),
    )
  })
})
