import type { Stage } from '../methods/index.ts'

/** Steps of one compiled program. */
export interface Span {
  stage: Stage
  /** Place of the stage among all. */
  index: number
  /** First step, and the one after the last. */
  start: number
  end: number
  /** The whole stage, which schedules and progress go by. */
  from: number
  to: number
  /** Statistics of batch norms no longer move. */
  frozen: boolean
}

/**
 * The stages as ranges of steps. Where statistics freeze within a stage it is two spans of one training.
 * @param freezeAfter share of all steps after which statistics stay; undefined: never
 */
export function spansOf(stages: readonly Stage[], steps: number, freezeAfter?: number): Span[] {
  const freeze = freezeAfter === undefined ? Infinity : Math.round(freezeAfter * steps)
  let sum = 0
  let from = 0
  return stages.flatMap((stage, index) => {
    sum += stage.share
    const to = index === stages.length - 1 ? steps : Math.round(sum * steps)
    const whole = { stage, index, from, to }
    const cut = Math.min(to, Math.max(from, freeze))
    const parts = [
      { ...whole, start: from, end: cut, frozen: false },
      { ...whole, start: cut, end: to, frozen: true },
    ]
    from = to
    return parts.filter((p) => p.end > p.start)
  })
}
