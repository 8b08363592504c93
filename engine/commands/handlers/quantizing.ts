import type { AnyPreprocess, DataSet, Splits } from '../../data/index.ts'
import { ModelError, OptionError, StillroomError, UnsupportedError } from '../../errors.ts'
import { rebatch } from '../../inspect/index.ts'
import { assertValid, type Model } from '../../ir/index.ts'
import { inlineFunctions, readModel, upgradeOpset } from '../../onnx/index.ts'
import {
  quantizeDynamically,
  quantizeModel,
  quantizeWeights,
  samplesFor,
  schemes,
  toHalfPrecision,
  type Mixed,
  type Quantized,
  type SensitivityMethod,
} from '../../quantize/index.ts'
import { random } from '../../random.ts'
import { integerKernels, probeCpu } from '../../session/index.ts'
import { quantizeMixedOn } from './mixing.ts'

/** Opset of quantized files whose model is older than scales for each channel (13). */
const QUANTIZED_OPSET = 17
/** Bits of the schemes that leave activations in float. */
export const WEIGHT_BITS: Readonly<Record<string, 4 | 8>> = { 'int4-weights': 4, 'int8-weights': 8 }
/** Samples that ranges are taken from unless the person says otherwise. */
export const CALIBRATION_SAMPLES = 256

/**
 * Reads a model for quantizing or exporting: valid, functions inlined, at opset 13 or later and of any batch size where that can be
 * done. Warnings say what could not.
 */
export async function readSource(path: string, warn: (text: string) => void): Promise<Model> {
  const raw = await readModel(path)
  assertValid(raw, path)
  const own = raw.opsets.get('') ?? 1
  const { model, notUpgraded } = upgradeOpset(inlineFunctions(raw), own < 13 ? QUANTIZED_OPSET : own)
  for (const { op, from, reason } of notUpgraded.slice(0, 1))
    warn(`the model stays at its opset: ${op} of opset ${from}: ${reason}`)
  try {
    return await rebatch(model)
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error
    warn(error.message)
    return model
  }
}

export interface QuantizeRequest {
  model: Model
  dataset: DataSet
  splits: Splits
  preprocess: AnyPreprocess | undefined
  scheme: string
  calibration: string
  granularity: string
  equalize?: boolean | undefined
  smooth?: number | undefined
  biasCorrection?: boolean | undefined
  symmetric?: boolean | undefined
  format?: 'qdq' | 'qoperator' | undefined
  roundingSteps?: number | undefined
  sensitivity?: SensitivityMethod | undefined
  /** Weights of 7 bits; by this processor when absent. */
  reduceRange?: boolean | undefined
  maxDrop?: number | undefined
  /** File that keeps the trials of a search. */
  trials?: string | undefined
  rounding?: string | undefined
  block?: number | undefined
  exclude?: readonly string[] | undefined
  samples?: number | undefined
  seed: number
  threads?: number | undefined
  signal: AbortSignal
  warn(text: string): void
  progress(done: number, total: number): void
}

/** Quantizes with ranges from the training share. Errors: UnsupportedError for what is listed but not there yet. */
export async function quantizeOn(
  q: QuantizeRequest,
): Promise<Quantized & Partial<Pick<Mixed, 'trials' | 'frontier' | 'sensitivity'>>> {
  const bits = WEIGHT_BITS[q.scheme]
  const known = [...schemes.map((s) => s.id), ...Object.keys(WEIGHT_BITS), 'int8-dynamic', 'fp16', 'mixed']
  if (!known.includes(q.scheme))
    throw new UnsupportedError(`scheme '${q.scheme}' is not there yet, expected one of ${known.join(', ')}`, {
      where: 'scheme',
      hint: 'engine/quantize/schemes has one file for each scheme',
    })
  if (q.granularity === 'block' && bits === undefined)
    throw new OptionError(`granularity 'block' needs a weight-only scheme: ${Object.keys(WEIGHT_BITS).join(' or ')}`, {
      where: 'granularity',
    })
  const { train } = q.splits
  const order = random(q.seed, 'calibration').permutation(train.length)
  const indices = order.slice(0, q.samples ?? CALIBRATION_SAMPLES).map((at) => train[at]!)
  try {
    const shared = {
      exclude: q.exclude,
      samples: samplesFor(q.model, { dataset: q.dataset, indices, preprocess: q.preprocess }),
      threads: q.threads,
      signal: q.signal,
      onProgress: (count: number) => q.progress(Math.min(count, indices.length), indices.length),
    }
    const done = await make(q, shared, indices)
    done.warnings.forEach(q.warn)
    return done
  } catch (error) {
    if (q.signal.aborted) throw new StillroomError('interrupted', 'quantization was stopped', { where: 'quantize' })
    throw error
  }
}

type Shared = Pick<Parameters<typeof quantizeWeights>[1], 'exclude' | 'samples' | 'threads' | 'signal' | 'onProgress'>

async function make(
  q: QuantizeRequest,
  shared: Shared,
  indices: readonly number[] | Int32Array,
): Promise<Quantized & Partial<Pick<Mixed, 'trials' | 'frontier' | 'sensitivity'>>> {
  const bits = WEIGHT_BITS[q.scheme]
  if (bits !== undefined)
    return quantizeWeights(q.model, { ...shared, bits, rounding: q.rounding, roundingSteps: q.roundingSteps, block: q.block })
  if (q.scheme === 'fp16') return toHalfPrecision(q.model, shared)
  const reduceRange = q.reduceRange ?? (await needsReducedRange(q))
  const perChannel = q.granularity !== 'per-tensor'
  if (q.scheme === 'int8-dynamic') return quantizeDynamically(q.model, { ...shared, reduceRange, perChannel })
  const granularity = perChannel ? 'per-channel' : 'per-tensor'
  const { calibration, equalize, smooth, biasCorrection, symmetric, format, rounding, roundingSteps } = q
  const choices = { ...shared, calibration, granularity, reduceRange, equalize, smooth, biasCorrection, symmetric } as const
  if (q.scheme === 'mixed') return quantizeMixedOn(q, choices, indices)
  return quantizeModel(q.model, { ...choices, scheme: q.scheme, format, rounding, roundingSteps })
}

/** Whether this machine's integer kernels could overflow with full 8-bit weights; says so. */
export async function needsReducedRange({ scheme, warn }: Pick<QuantizeRequest, 'scheme' | 'warn'>): Promise<boolean> {
  const cpu = await probeCpu()
  if (integerKernels(cpu).sums !== 'pairs') return false
  if (scheme !== 'int8-dynamic' && scheme !== 'mixed' && !schemes.find((s) => s.id === scheme)?.saturates) return false
  warn(
    "this processor has no VNNI instructions, whose older kernels can overflow: weights use 7 of their 8 bits; scheme 'uint8' keeps 8, slower",
  )
  return true
}

/** The largest loss allowed, judged on the metric that the data allows. Gives a sentence when it is missed. */
export function missedDrop(
  maxDrop: number | undefined,
  float: Readonly<Record<string, { value: number }>>,
  quantized: Readonly<Record<string, { value: number }>>,
): string[] {
  if (maxDrop === undefined) return []
  const [before, after] = [float.top1?.value, quantized.top1?.value]
  const agreement = quantized.agreement?.value
  const drop = before !== undefined && after !== undefined ? before - after : agreement !== undefined ? 1 - agreement : undefined
  if (drop === undefined)
    throw new ModelError('neither accuracy nor agreement could be measured, so max-drop cannot be judged', { where: 'maxDrop' })
  // Shares are counts over counts: differences below this are rounding.
  if (drop <= maxDrop + 1e-9) return []
  const what =
    before !== undefined && after !== undefined ? 'top1 loses' : 'labels being absent, predictions differ from the float model in'
  return [`maxDrop: ${what} ${drop.toFixed(4)}, at most ${maxDrop} was asked for`]
}
