import { UnsupportedError } from '../../errors.ts'
import type { Model } from '../../ir/index.ts'
import { applyPasses } from '../../passes/index.ts'
import dropIdentity from '../../passes/rewrites/drop-identity.ts'
import eliminateDead from '../../passes/rewrites/eliminate-dead.ts'
import foldBatchNorm from '../../passes/rewrites/fold-batch-norm.ts'
import { equalize } from '../equalize.ts'
import { samplesFor } from '../samples.ts'
import { smoothActivations } from '../smooth.ts'
import { causes } from './causes/list.gen.ts'
import type { Finding, Fix } from './cause.ts'
import { choicesOf, wasTrained } from './choices.ts'
import { lossOf, recovered, type Choices, type Evidence, type LayerEvidence, type ValueEvidence } from './evidence.ts'
import { flipsOf, type Flips } from './flips.ts'
import { inputsOf, layersOf, valuesOf } from './gather.ts'
import {
  answersOf,
  chanceOf,
  judge,
  measureOf,
  type Answers,
  type Arithmetic,
  type Bench,
  type Judgement,
  type Measure,
} from './judge.ts'
import { matchLayers, matchValues } from './match.ts'
import { activationsOnly, weightsOnly, withFloatLayer } from './variants.ts'

export interface ExplainOptions extends Bench {
  float: Model
  quantized: Model
  /** Samples that ranges are compared with (training share), that decide (neither trained nor judged), and that judge (test share). */
  calibration: Int32Array
  diagnosis: Int32Array
  heldOut: Int32Array
  /** How the machine adds up products of integers, and the machine that the model is meant for. */
  here: 'exact' | 'pairs' | 'unknown'
  target: 'exact' | 'pairs'
  /** Largest loss that counts as none. Default 0.005, and without labels 0.02: a sample on the border may go either way. */
  maxDrop?: number | undefined
  /** Makes the integer model again with other choices. */
  requantize(choices: Choices): Promise<Model>
  onProgress?: ((step: string) => void) | undefined
}

/** A fix that was tried on the samples that decide. */
export interface TriedFix extends Fix {
  value: number
  /** Share of the loss that is gone. */
  recovered: number
}

export interface SuspectedCause extends Finding {
  id: string
  title: string
  fixes: TriedFix[]
}

export interface Explanation {
  measure: Measure
  /** `healthy`: no loss beyond chance; `fault`: a cause whose fix helps; `unexplained`: a loss, and no fix that gives half of it back. */
  verdict: 'healthy' | 'fault' | 'unexplained'
  choices: Choices
  /** On the samples that decide. */
  evidence: Pick<Evidence, 'samples' | 'float' | 'quantized' | 'exact' | 'pairs' | 'weights' | 'activations'> & {
    again?: Judgement
    alone: Evidence['alone']
  }
  layers: LayerEvidence[]
  values: ValueEvidence[]
  flips: Flips
  /** The most probable first. */
  causes: SuspectedCause[]
  /** The fix of the first cause, judged on samples that took no part in finding it. */
  fix?: Fix & { cause: string; choices: Choices; recovered: number }
  heldOut: { samples: number; float: Judgement; quantized: Judgement; fixed?: Judgement }
}

/** Loss that counts as none, by what is measured. */
const TOLERANCE: Readonly<Record<Measure, number>> = { top1: 0.005, agreement: 0.02, fidelity: 0.02 }
/** A loss is chance from here on. */
const CHANCE = 0.05
/** A fix that gives so much back is good enough to stop trying. */
const ENOUGH = 0.97
/** Layers that are put back into float one at a time: the noisiest, and the first and last. */
const ALONE = 8

/**
 * Says why an integer model is worse than its float model: takes the loss apart, asks every cause what speaks for it, tries the fixes that would
 * address them, and judges the best one on samples that took no part.
 * Errors: UnsupportedError for models without integer layers in QDQ form; what `requantize` throws for a choice counts against that choice alone.
 */
export async function explainDrop(o: ExplainOptions): Promise<Explanation> {
  const say = (step: string) => {
    o.signal?.throwIfAborted()
    o.onProgress?.(step)
  }
  if (wasTrained(o.quantized))
    throw new UnsupportedError('the quantized model was trained as integers, so its weights are not those of the float model', {
      where: 'quantized',
      hint: 'explain the model that quantize makes without --qat',
    })
  const choices = choicesOf(o.quantized)
  const { model: float } = applyPasses(o.float, [dropIdentity, foldBatchNorm, eliminateDead])
  const feeds = (indices: Int32Array) => samplesFor(o.float, { dataset: o.dataset, indices, preprocess: o.preprocess })
  const samples = feeds(o.calibration)
  const running = { threads: o.threads, signal: o.signal }
  // What was done to the float model before it was rounded is done here too, so that layer fits layer.
  if (choices.equalize) equalize(float.graph)
  if (choices.smooth !== undefined) await smoothActivations(float, choices.smooth, samples, running)
  const pairs = matchLayers(float, o.quantized)
  const rounded = matchValues(float, o.quantized)
  if (pairs.length === 0)
    throw new UnsupportedError('the quantized model has no integer layers that belong to layers of the float model', {
      where: o.quantized.graph.name || 'quantized',
      hint: 'schemes int8 and uint8 in QDQ form can be explained; for weight-only formats, see the noise of each layer that `quantize` prints',
    })

  // How a model is judged: as the target adds up, whatever this machine does.
  const target: Arithmetic = o.target === 'pairs' ? (o.here === 'pairs' ? 'here' : 'pairs') : o.here === 'exact' ? 'here' : 'exact'
  const ask = (model: Model, indices: Int32Array, how: Arithmetic) => answersOf(model, o, indices, how)
  say('float and quantized model')
  const expected = await ask(o.float, o.diagnosis, 'here')
  const judged = async (model: Model, how: Arithmetic = target) => judge(await ask(model, o.diagnosis, how), expected)
  const exact = await judged(o.quantized, o.here === 'exact' ? 'here' : 'exact')
  const inPairs = await judged(o.quantized, o.here === 'pairs' ? 'here' : 'pairs')
  const found = await ask(o.quantized, o.diagnosis, target)
  const measure = measureOf(expected)
  say('weights and activations apart')
  const base = {
    choices,
    measure,
    samples: expected.rows,
    float: judge(expected, expected),
    quantized: judge(found, expected),
    exact,
    pairs: inPairs,
    weights: await judged(weightsOnly(float, pairs), 'here'),
    activations: await judged(activationsOnly(o.quantized, float, pairs), 'here'),
  }
  say('layer by layer')
  const layers = await layersOf(float, o.quantized, pairs, rounded, feeds(o.diagnosis.slice(0, 128)), running)
  const values = await valuesOf(float, rounded, pairs, samples, running)
  const parts = { layers, values, inputs: await inputsOf(values, samples, o.preprocess) }

  const loss = lossOf(base, base.quantized)
  const healthy = loss <= (o.maxDrop ?? TOLERANCE[measure]) || chanceOf(found, expected) > CHANCE
  let suspects: SuspectedCause[] = []
  let again: Judgement | undefined
  let alone: Evidence['alone'] = []
  if (!healthy) {
    const made = new Map<string, Judgement | undefined>()
    const attempt = async (wanted: Choices): Promise<Judgement | undefined> => {
      const key = JSON.stringify(wanted)
      if (!made.has(key)) made.set(key, await o.requantize(wanted).then(judged, passOver(o.signal)))
      return made.get(key)
    }
    say('the same choices on well prepared samples')
    again = (await attempt({ ...choices, calibrationSamples: Math.max(256, choices.calibrationSamples ?? 0) })) ?? base.quantized
    say('one layer in float at a time')
    alone = await oneInFloat()
    const evidence: Evidence = { ...base, ...parts, again, alone }
    suspects = await tryFixes(evidence, attempt, say)
  }

  say('samples that took no part')
  const [best] = suspects
  const fix = best?.fixes[0]
  const truth = await ask(o.float, o.heldOut, 'here')
  const heldOut: Explanation['heldOut'] = {
    samples: truth.rows,
    float: judge(truth, truth),
    quantized: judge(await ask(o.quantized, o.heldOut, target), truth),
  }
  let chosen: Explanation['fix']
  if (best && fix && fix.recovered > 0) {
    const whole = { ...choices, ...fix.choices }
    heldOut.fixed = judge(await ask(await o.requantize(whole), o.heldOut, target), truth)
    chosen = { text: fix.text, cause: best.id, choices: whole, recovered: recovered(heldOut, heldOut.fixed) }
  }
  return {
    measure,
    verdict: healthy ? 'healthy' : best && fix && fix.recovered >= 0.5 ? 'fault' : 'unexplained',
    choices,
    evidence: { ...base, ...(again ? { again } : {}), alone },
    layers,
    values,
    flips: flipsOf(expected, found),
    causes: suspects,
    ...(chosen ? { fix: chosen } : {}),
    heldOut,
  }

  async function oneInFloat(): Promise<Evidence['alone']> {
    const noisiest = [...layers.keys()].sort((p, q) => (layers[p]!.sqnr ?? 200) - (layers[q]!.sqnr ?? 200))
    const wanted = new Set([...noisiest.slice(0, ALONE), 0, layers.length - 1])
    const out: { layer: string; judged: Judgement }[] = []
    for (const i of wanted) {
      o.signal?.throwIfAborted()
      const model = withFloatLayer(o.quantized, float, pairs[i]!, rounded)
      out.push({ layer: layers[i]!.name, judged: await judged(model) })
    }
    return out.sort((p, q) => q.judged.value - p.judged.value || q.judged.sqnr - p.judged.sqnr)
  }
}

/** A choice that cannot be made is passed over; a person's stop is not. */
const passOver = (signal: AbortSignal | undefined) => (error: unknown) => {
  if (signal?.aborted || !(error instanceof Error)) throw error
  return undefined
}

/**
 * Tries the fixes of each cause in the order of its evidence. A cause is the suspect when one of its fixes gives half of the loss back; the others
 * follow by what their best fix gives.
 */
async function tryFixes(
  e: Evidence,
  attempt: (choices: Choices) => Promise<Judgement | undefined>,
  say: (step: string) => void,
): Promise<SuspectedCause[]> {
  const found = causes
    .flatMap((cause) => {
      const finding = cause.find(e)
      return finding ? [{ cause, finding }] : []
    })
    .sort((p, q) => q.finding.score - p.finding.score)
  const out: SuspectedCause[] = []
  for (const { cause, finding } of found) {
    say(`fixes for: ${cause.title}`)
    const fixes: TriedFix[] = []
    for (const fix of cause.fixes(e, finding)) {
      const judged = await attempt({ ...e.choices, ...fix.choices })
      if (!judged) continue
      fixes.push({ ...fix, value: judged.value, recovered: recovered(e, judged) })
      if (fixes.at(-1)!.recovered >= ENOUGH) break
    }
    fixes.sort((p, q) => q.recovered - p.recovered)
    out.push({ id: cause.id, title: cause.title, ...finding, fixes })
  }
  const works = (s: SuspectedCause) => ((s.fixes[0]?.recovered ?? 0) >= 0.5 ? 1 : 0)
  return out.sort(
    (p, q) => works(q) - works(p) || (works(p) ? q.score - p.score : (q.fixes[0]?.recovered ?? 0) - (p.fixes[0]?.recovered ?? 0)),
  )
}

export type { Answers }
