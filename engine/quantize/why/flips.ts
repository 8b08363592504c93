import type { Answers } from './judge.ts'

/** Samples whose best class is another than the float model's. */
export interface Flips {
  samples: number
  count: number
  /** Right before and wrong now, wrong before and right now; absent without labels. */
  lost?: number
  won?: number
  /** Those that the float model was most sure of come first; at most `SHOWN`. */
  shown: {
    /** Index in the data set. */
    index: number
    label?: number
    float: number
    quantized: number
    /** Difference of the float model's two best scores over the spread of its scores: small ones are on the border. */
    margin: number
  }[]
}

const SHOWN = 20

/** Lists the samples that changed their class. Rows that are no classes have none. */
export function flipsOf(float: Answers, found: Answers): Flips {
  const out: Flips = { samples: float.rows, count: 0, ...(float.label ? { lost: 0, won: 0 } : {}), shown: [] }
  if (!float.choice || !found.choice) return out
  for (let i = 0; i < float.rows; i++) {
    const [before, after] = [float.choice[i]!, found.choice[i]!]
    if (before === after) continue
    out.count++
    const label = float.label?.[i]
    if (label !== undefined && before === label) out.lost!++
    if (label !== undefined && after === label) out.won!++
    const row = float.numbers.subarray(i * float.width, (i + 1) * float.width)
    out.shown.push({
      index: float.index[i]!,
      ...(label === undefined ? {} : { label }),
      float: before,
      quantized: after,
      margin: marginOf(row),
    })
  }
  out.shown.sort((p, q) => q.margin - p.margin)
  out.shown.splice(SHOWN)
  return out
}

function marginOf(row: Float32Array): number {
  const sorted = [...row].sort((a, b) => b - a)
  const spread = sorted[0]! - sorted.at(-1)!
  return spread > 0 ? (sorted[0]! - sorted[1]!) / spread : 0
}
