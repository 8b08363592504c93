import type { Judgement, Measure } from './judge.ts'
import type { RangeFit } from './ranges.ts'

/** How an integer model was made, as far as its file tells; what a fix changes. */
export interface Choices {
  scheme: string
  granularity: 'per-channel' | 'per-tensor'
  calibration: string
  /** Samples that ranges were taken from; undefined where the file does not tell. */
  calibrationSamples?: number | undefined
  equalize: boolean
  /** 7-bit weights. */
  reduceRange: boolean
  exclude: readonly string[]
  /** Further choices of `quantize`, handed on as they are. */
  smooth?: number | undefined
  biasCorrection?: boolean | undefined
  symmetric?: boolean | undefined
  rounding?: string | undefined
  roundingSteps?: number | undefined
}

/** One layer in integers beside the same layer in floats. Noise is in dB below the signal (SQNR); null where there is no noise or no signal. */
export interface LayerEvidence {
  name: string
  op: string
  /** The layer's own noise, its input being the float model's: whole, by its weights alone, by rounding its input alone. */
  sqnr: number | null
  weightsSqnr: number | null
  inputsSqnr: number | null
  /** With all layers before it rounded as well. */
  cumulativeSqnr: number | null
  /** Value that it reads, by the float model's name. */
  input: string
  /** By output channel: noise of the result, noise of the weight, largest weight. */
  outputs: { sqnr: readonly number[]; weightSqnr: readonly number[]; peak: readonly number[] }
  /** By input channel (within its group): noise of the weight, largest weight; largest activation in steps of its integers. */
  inputs: { weightSqnr: readonly number[]; peak: readonly number[]; steps: readonly number[] }
  /** Share of the pairs of products that could leave 16 bits on processors without VNNI. */
  atRisk: number
}

/** One rounded activation. */
export interface ValueEvidence extends RangeFit {
  value: string
  /** It is an input of the model. */
  isInput: boolean
  /** Layers that read it, by name. */
  readBy: readonly string[]
}

/** Values of an input of the model on samples that are prepared as the float model wants them; 0 is always within. */
export interface InputEvidence {
  value: string
  covered: readonly [number, number]
  all: readonly [number, number]
  /** What every sample reaches: the highest of their smallest values, the lowest of their largest ones. */
  every: readonly [number, number]
  /** A usual way to prepare samples whose range is the covered one. */
  looksLike?: string | undefined
}

export interface Evidence {
  choices: Choices
  measure: Measure
  samples: number
  float: Judgement
  /** As the target adds up its products. */
  quantized: Judgement
  /** Added up in 32 bits, and in pairs of 16 bits. */
  exact: Judgement
  pairs: Judgement
  weights: Judgement
  activations: Judgement
  /** Made again with the same choices, and ranges from samples that are prepared as the float model wants them. */
  again: Judgement
  /** With one layer in floats, the most helpful first. */
  alone: readonly { layer: string; judged: Judgement }[]
  layers: readonly LayerEvidence[]
  values: readonly ValueEvidence[]
  inputs: readonly InputEvidence[]
}

/** What a model loses against the float one; at least 0. */
export const lossOf = (e: Pick<Evidence, 'float'>, judged: Judgement): number => Math.max(0, e.float.value - judged.value)

/** Share of the integer model's loss that another model does not have, at most 1; negative where it loses more. */
export function recovered(e: Pick<Evidence, 'float' | 'quantized'>, judged: Judgement): number {
  const loss = e.float.value - e.quantized.value
  return loss <= 0 ? 0 : Math.min(1, (judged.value - e.quantized.value) / loss)
}

/** From here on a share of the loss counts as explained. */
export const EXPLAINED = 0.5

export const medianOf = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted.length ? (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2 : 0
}
