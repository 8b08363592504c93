import { UnsupportedError } from '../errors.ts'
import type { Model } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { compare, type RunOptions, type Samples } from './calibrate.ts'
import { toHalfPrecision } from './half.ts'
import type { Histogram } from './histogram.ts'
import { quantizeModel, type Quantized, type QuantizeOptions } from './quantizeModel.ts'

/** One assignment of precisions that was made and judged. */
export interface Trial {
  /** Layers in half precision; all others are integers as far as they can be. */
  half: string[]
  /** Loss of the task metric against the float model, as a share; negative where it is better. */
  drop: number
  bytes: number
}

export interface MixedOptions
  extends RunOptions, Pick<QuantizeOptions, 'calibration' | 'granularity' | 'reduceRange' | 'equalize' | 'exclude'> {
  samples: Samples
  /** Largest drop allowed, judged by `judge`. */
  maxDrop: number
  /** Loss of the task metric of a model against the float one, on samples that neither calibrate nor test. */
  judge(model: Model): Promise<number>
  /** Trials of an interrupted search; they are not made again. */
  known?: readonly Trial[]
  onTrial?(trial: Trial, index: number): void
}

export interface Mixed extends Quantized {
  /** Layers by how much noise their integers alone put on the model's output, the loudest first, in dB. */
  sensitivity: { name: string; sqnr: number | null }[]
  trials: Trial[]
  /** Trials that no other beats in both size and drop, the smallest first. */
  frontier: Trial[]
}

/**
 * Integers where they do no harm and half precision elsewhere: layers are ranked by the noise that each puts on the output alone, and the loudest
 * ones leave the integers, as few as the allowed drop needs. A bisection over the ranking; the smallest model within the bound is kept, or where
 * none is, the one that loses least.
 * Errors: UnsupportedError where no layer can be computed in integers.
 */
export async function quantizeMixed(model: Model, o: MixedOptions): Promise<Mixed> {
  const seen = new Map<string, Histogram>()
  const integer = (exclude: readonly string[], account: boolean) =>
    quantizeModel(model, { ...o, scheme: 'int8', exclude: [...(o.exclude ?? []), ...exclude], seen, account })
  const all = await integer([], true)
  const names = all.layers.filter((l) => l.reason === undefined).map((l) => l.name)
  if (!names.length)
    throw new UnsupportedError('no layer of the model can be computed in integers', { where: model.graph.name || 'model' })
  const sensitivity = await rank(model, names, integer, o)
  const loudest = sensitivity.map((s) => s.name)

  const trials: Trial[] = []
  const models = new Map<number, Quantized>()
  const build = async (count: number): Promise<Quantized> => {
    const half = loudest.slice(0, count)
    if (count === loudest.length) return toHalfPrecision(model, o)
    const q = count === 0 ? all : await integer(half, true)
    // What stays in float is stored in half: the integer layers keep their own form.
    const rest = await toHalfPrecision(q.model, { ...o, exclude: [] })
    const precisions = new Map(rest.layers.map((l) => [l.name, l]))
    return {
      ...q,
      model: rest.model,
      layers: q.layers.map((l) =>
        l.precision === 'float32' ? { ...l, precision: precisions.get(l.name)?.precision ?? l.precision } : l,
      ),
    }
  }
  const tried = async (count: number): Promise<Trial> => {
    o.signal?.throwIfAborted()
    const half = loudest.slice(0, count)
    let trial = o.known?.find((t) => t.half.join('\n') === half.join('\n'))
    if (!trial) {
      const made = await build(count)
      models.set(count, made)
      trial = { half, drop: await o.judge(made.model), bytes: encodeModel(made.model).length }
    }
    trials.push(trial)
    o.onTrial?.(trial, trials.length - 1)
    return trial
  }
  let best = { count: 0, trial: await tried(0) }
  if (best.trial.drop > o.maxDrop) {
    // Fewest layers in half within the bound: below `low` none was, `high` is.
    let [low, high] = [0, loudest.length]
    const last = await tried(high)
    best = last.drop <= o.maxDrop || last.drop < best.trial.drop ? { count: high, trial: last } : best
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      const trial = await tried(middle)
      const fits = trial.drop <= o.maxDrop
      if (fits) high = middle
      else low = middle
      const better = best.trial.drop <= o.maxDrop ? fits && trial.bytes < best.trial.bytes : trial.drop < best.trial.drop
      if (better) best = { count: middle, trial }
    }
  }
  const kept = models.get(best.count) ?? (await build(best.count))
  return { ...kept, sensitivity, trials, frontier: frontierOf(trials) }
}

/** Noise on the model's outputs when one layer alone is in integers. */
async function rank(
  model: Model,
  names: readonly string[],
  integer: (exclude: readonly string[], account: boolean) => Promise<Quantized>,
  o: MixedOptions,
): Promise<Mixed['sensitivity']> {
  const outputs = new Set(
    model.graph.outputs.flatMap(({ name, type }) => (type?.kind === 'tensor' && type.dtype === 'float32' ? [name] : [])),
  )
  const found: Mixed['sensitivity'] = []
  for (const [i, name] of names.entries()) {
    o.signal?.throwIfAborted()
    const { model: alone } = await integer(names.filter((n) => n !== name), false) // prettier-ignore
    const sqnr = await compare(model, alone, outputs, o.samples, o)
    const worst = [...sqnr.values()].reduce<number>((m, v) => Math.min(m, v ?? Infinity), Infinity)
    found.push({ name, sqnr: Number.isFinite(worst) ? worst : null })
    o.onProgress?.(i + 1)
  }
  return found.sort((p, q) => (p.sqnr ?? Infinity) - (q.sqnr ?? Infinity))
}

/** Trials that no other one beats in both. */
export function frontierOf(trials: readonly Trial[]): Trial[] {
  const sorted = [...trials].sort((p, q) => p.bytes - q.bytes || p.drop - q.drop)
  const out: Trial[] = []
  for (const trial of sorted) if (trial.drop < (out.at(-1)?.drop ?? Infinity)) out.push(trial)
  return out
}
