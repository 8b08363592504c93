import { isImagePreprocess, usualNormalisations, type AnyPreprocess } from '../../data/index.ts'
import { fedInputs } from '../../inspect/index.ts'
import type { Model } from '../../ir/index.ts'
import { observe, type RunOptions, type Samples } from '../calibrate.ts'
import { saturationRisk } from '../saturation.ts'
import { decibels } from '../weights.ts'
import type { InputEvidence, LayerEvidence, ValueEvidence } from './evidence.ts'
import { alongAxis, type Pair, type RoundedValue } from './match.ts'
import { fitOf } from './ranges.ts'
import { cumulativeSums, layerSums } from './shadow.ts'

const db = (signal: number, noise: number): number | null => {
  const value = decibels(signal, noise)
  return signal > 0 && Number.isFinite(value) ? value : null
}
/** As `db`, without null: a channel without signal or noise is beyond reproach. */
const channelDb = (signal: number, noise: number): number => (signal > 0 && noise > 0 ? decibels(signal, noise) : 200)
const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0)

/** Every integer layer beside its float one. */
export async function layersOf(
  float: Model,
  integer: Model,
  pairs: readonly Pair[],
  values: readonly RoundedValue[],
  samples: Samples,
  o: RunOptions,
): Promise<LayerEvidence[]> {
  const sums = await layerSums(float, pairs, samples, o)
  const risk = new Map(saturationRisk(integer).map((l) => [l.name, l.pairs ? l.atRisk / l.pairs : 0]))
  // A layer is judged where its result is rounded, or where it leaves it.
  const judged = pairs.map(({ float: node, integer: { output, node: own } }) => {
    const rounded = values.find((v) => v.range.integers === output?.integers)
    return rounded ? { float: rounded.value, integer: rounded.rounded } : { float: node.outputs[0]!, integer: own.outputs[0]! }
  })
  const after = await cumulativeSums(float, integer, judged, samples, o)
  return pairs.map((pair, i) => {
    const s = sums.get(pair)!
    const out = alongAxis(pair, pair.outputAxis)
    const into = alongAxis(pair, pair.inputAxis)
    const { scale, min, max } = pair.integer.input
    const steps = Math.round((max - min) / scale)
    const own = pair.integer.node
    return {
      name: pair.name,
      op: pair.float.op,
      sqnr: db(sum(s.signal), sum(s.both)),
      weightsSqnr: db(sum(s.signal), sum(s.weights)),
      inputsSqnr: db(sum(s.signal), sum(s.inputs)),
      cumulativeSqnr: db(after[i]!.signal, after[i]!.noise),
      input: values.find((v) => v.range.integers === pair.integer.input.integers)?.value ?? pair.float.inputs[0]!,
      outputs: {
        sqnr: [...s.signal].map((v, c) => channelDb(v, s.both[c]!)),
        weightSqnr: [...out.signal].map((v, c) => channelDb(v, out.noise[c]!)),
        peak: [...out.peak],
      },
      inputs: {
        weightSqnr: [...into.signal].map((v, c) => channelDb(v, into.noise[c]!)),
        peak: [...into.peak],
        steps: [...s.peak].map((v) => Math.min(steps, v / scale)),
      },
      atRisk: risk.get(own.name || own.outputs[0]!) ?? 0,
    }
  })
}

/** Every rounded activation beside what it sees on well prepared samples. */
export async function valuesOf(
  float: Model,
  rounded: readonly RoundedValue[],
  pairs: readonly Pair[],
  samples: Samples,
  o: RunOptions,
): Promise<ValueEvidence[]> {
  const seen = await observe(float, new Set(rounded.map((v) => v.value)), samples, o)
  const inputs = new Set(fedInputs(float.graph).map((v) => v.name))
  return rounded.map(({ value, range }) => ({
    value,
    isInput: inputs.has(value),
    readBy: pairs.filter((p) => p.integer.input.integers === range.integers).map((p) => p.name),
    ...fitOf(range, seen.get(value)!),
  }))
}

/** Ranges of the model's inputs, sample by sample. */
export async function inputsOf(
  values: readonly ValueEvidence[],
  samples: Samples,
  preprocess: AnyPreprocess | undefined,
): Promise<InputEvidence[]> {
  const wanted = values.filter((v) => v.isInput)
  const ranges = new Map(
    wanted.map((v) => [v.value, { all: [0, 0] as [number, number], every: [-Infinity, Infinity] as [number, number] }]),
  )
  for await (const feeds of samples())
    for (const [name, range] of ranges) {
      const value = feeds[name]
      if (!value) continue
      const numbers = value.numbers()
      const rows = value.dims[0] ?? 1
      const size = numbers.length / rows
      for (let n = 0; n < rows; n++) {
        // 0 is always covered: padding must be exact.
        let [low, high] = [0, 0]
        for (let i = n * size; i < (n + 1) * size; i++) {
          const x = numbers[i]!
          if (x < low) low = x
          if (x > high) high = x
        }
        range.all = [Math.min(low, range.all[0]), Math.max(high, range.all[1])]
        range.every = [Math.max(low, range.every[0]), Math.min(high, range.every[1])]
      }
    }
  return wanted.map(({ value, covered }) => {
    const { all, every } = ranges.get(value)!
    return { value, covered, all, every, looksLike: looksLike(covered, preprocess) }
  })
}

/** The usual normalisation of pixels whose range, with 0, is nearest to the covered one; within a tenth of its width. */
function looksLike([low, high]: readonly [number, number], preprocess: AnyPreprocess | undefined): string | undefined {
  if (!preprocess || !isImagePreprocess(preprocess)) return undefined
  const channels = preprocess.mean.length === 3 ? 3 : 1
  const rangeOf = (n: { scale: number; mean: readonly number[]; std: readonly number[] }): [number, number] => {
    const ends = n.mean.flatMap((mean, c) => [-mean / n.std[c]!, (255 * n.scale - mean) / n.std[c]!])
    return [Math.min(0, ...ends), Math.max(0, ...ends)]
  }
  const usual = usualNormalisations(channels)
  const found = usual
    .map((n) => {
      const [a, b] = rangeOf(n)
      return { id: n.id, distance: (Math.abs(a - low) + Math.abs(b - high)) / (b - a) }
    })
    .sort((p, q) => p.distance - q.distance)[0]
  return found && found.distance < 0.1 ? found.id : undefined
}
