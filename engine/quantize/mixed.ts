import { UnsupportedError } from '../errors.ts'
import type { Model } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import type { RunOptions, Samples } from './calibrate.ts'
import { toHalfPrecision } from './half.ts'
import type { Histogram } from './histogram.ts'
import { quantizeModel, type Quantized, type QuantizeOptions } from './quantizeModel.ts'
import { rankLayers, type Sensitivity, type SensitivityMethod } from './sensitivity.ts'

/** One assignment of precisions that was made and judged. */
export interface Trial {
  /** Layers in half precision; all others are integers as far as they can be. */
  half: string[]
  /** Loss of the task metric against the float model, as a share; negative where it is better. */
  drop: number
  /** What the loss on other samples stays below with some confidence; absent where nothing is known about that. */
  limit?: number | undefined
  bytes: number
}

/** A loss, or the loss with what it stays below on other samples. */
export type Verdict = number | { drop: number; limit: number }

export interface MixedOptions
  extends
    RunOptions,
    Pick<
      QuantizeOptions,
      'calibration' | 'granularity' | 'reduceRange' | 'equalize' | 'smooth' | 'biasCorrection' | 'symmetric' | 'exclude'
    > {
  samples: Samples
  /** Largest drop allowed, judged by `judge`. */
  maxDrop: number
  /** Loss of the task metric of a model against the float one, on samples that neither calibrate nor test. */
  judge(model: Model): Promise<Verdict>
  /** How layers are ranked; see `sensitivity.ts`. Default `one-on`. */
  sensitivity?: SensitivityMethod | undefined
  /** Trials and sensitivities of an interrupted search; they are not made again. */
  known?: { trials: readonly Trial[]; sensitivity: readonly Sensitivity[] } | undefined
  onTrial?(trial: Trial, index: number): void
  onSensitivity?(found: Sensitivity): void
}

export interface Mixed extends Quantized {
  /** Layers by how much their integers harm, the most harmful first. */
  sensitivity: Sensitivity[]
  trials: Trial[]
  /** Trials that no other beats in both size and drop, the smallest first. */
  frontier: Trial[]
}

/** Layers that are tried one by one in integers again when the search over the ranking is done. */
const RETURNS = 8

/**
 * Integers where they do no harm and half precision elsewhere: layers are ranked by how much their integers harm, and the most harmful leave the
 * integers, as few as the allowed drop needs: a bisection over the ranking. Of those that left, the largest are then tried in integers again one
 * by one. The smallest model within the bound is kept, or where none is, the one that loses least.
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
  const sensitivity = await rankLayers(model, all, {
    ...o,
    method: o.sensitivity ?? 'one-on',
    integer: async (exclude) => (await integer(exclude, false)).model,
    known: o.known?.sensitivity,
    onFound: (found) => o.onSensitivity?.(found),
  })
  const loudest = sensitivity.map((s) => s.name)

  const trials: Trial[] = []
  let made: { key: string; model: Quantized } | undefined
  const build = async (half: readonly string[]): Promise<Quantized> => {
    if (half.length === loudest.length) return toHalfPrecision(model, o)
    const q = half.length === 0 ? all : await integer(half, true)
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
  const keyOf = (half: readonly string[]) => [...half].sort().join('\n')
  const fits = (trial: Trial) => (trial.limit ?? trial.drop) <= o.maxDrop
  let best: Trial | undefined
  const tried = async (half: readonly string[]): Promise<Trial> => {
    o.signal?.throwIfAborted()
    const key = keyOf(half)
    let trial = [...(o.known?.trials ?? []), ...trials].find((t) => keyOf(t.half) === key)
    if (!trial) {
      const q = await build(half)
      const verdict = await o.judge(q.model)
      trial = {
        half: [...half],
        ...(typeof verdict === 'number' ? { drop: verdict } : verdict),
        bytes: encodeModel(q.model).length,
      }
      made = { key, model: q }
    }
    if (!trials.includes(trial)) {
      trials.push(trial)
      o.onTrial?.(trial, trials.length - 1)
    }
    const better =
      !best || (fits(best) ? fits(trial) && trial.bytes < best.bytes : (trial.limit ?? trial.drop) < (best.limit ?? best.drop))
    if (better) best = trial
    return trial
  }
  if (!fits(await tried([]))) {
    // Fewest layers in half within the bound: below `low` none was, `high` is.
    let [low, high] = [0, loudest.length]
    await tried(loudest)
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (fits(await tried(loudest.slice(0, middle)))) high = middle
      else low = middle
    }
    let half = best!.half
    const sizes = new Map(all.layers.map((l) => [l.name, l.numbers ?? 0]))
    const candidates = [...half].sort((p, q) => sizes.get(q)! - sizes.get(p)!).slice(0, RETURNS)
    for (const name of half.length < loudest.length ? candidates : []) {
      const without = half.filter((n) => n !== name)
      if (fits(await tried(without)) && keyOf(best!.half) === keyOf(without)) half = without
    }
  }
  const { half } = best!
  const kept = made?.key === keyOf(half) ? made.model : await build(half)
  return { ...kept, sensitivity, trials, frontier: frontierOf(trials) }
}

/** Trials that no other one beats in both. */
export function frontierOf(trials: readonly Trial[]): Trial[] {
  const sorted = [...trials].sort((p, q) => p.bytes - q.bytes || p.drop - q.drop)
  const out: Trial[] = []
  for (const trial of sorted) if (trial.drop < (out.at(-1)?.drop ?? Infinity)) out.push(trial)
  return out
}
