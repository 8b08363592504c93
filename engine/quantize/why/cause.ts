import type { Choices, Evidence } from './evidence.ts'

/** A cause that the evidence speaks for. */
export interface Finding {
  /** How strongly, in [0, 1]. */
  score: number
  /** The evidence in words, with its numbers. */
  text: string
  /** Layers at fault, by name. */
  layers: readonly string[]
}

/** A change of the choices that addresses a cause. */
export interface Fix {
  /** What it does, one sentence. */
  text: string
  choices: Partial<Choices>
}

/** One reason why an integer model can be worse than its float model. */
export interface Cause {
  readonly id: string
  /** The cause in words, as it completes "suspected cause: ...". */
  readonly title: string
  /** Undefined where nothing speaks for it. */
  find(evidence: Evidence): Finding | undefined
  /** What may help, the simplest first; each is measured before it is recommended. */
  fixes(evidence: Evidence, finding: Finding): Fix[]
}

export const defineCause = (cause: Cause): Cause => cause

export const percent = (share: number): string => `${(100 * share).toFixed(Math.abs(share) < 0.01 ? 2 : 1)} %`
export const short = (x: number): string => String(Number(x.toPrecision(3)))
export const rangeText = ([low, high]: readonly [number, number]): string => `[${short(low)}, ${short(high)}]`
