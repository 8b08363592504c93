import type { JobEvent } from '../contract/index.ts'

/** Steps kept of a job's events; a longer curve is thinned evenly. */
const STEPS = 2000
/** Other events kept, newest first to stay. */
const OTHERS = 1000

/** What happened in a job, thinned: enough to draw its curves and log again after the page was loaded anew. */
export interface History {
  add(event: string, payload: unknown, at: number): JobEvent
  /** In order. */
  all(): JobEvent[]
}

export function makeHistory(): History {
  let steps: JobEvent[] = []
  let others: JobEvent[] = []
  let stride = 1
  let seen = 0
  let last: JobEvent | undefined
  let seq = 0
  return {
    add(event, payload, at) {
      const entry = { seq: ++seq, at, event, payload }
      if (event === 'step') {
        last = entry
        if (seen++ % stride === 0) steps.push(entry)
        if (steps.length > STEPS) {
          stride *= 2
          steps = steps.filter((_, i) => i % 2 === 0)
        }
      } else {
        // Only the newest state of a bar matters.
        if (event === 'progress' && others.at(-1)?.event === 'progress') others.pop()
        others.push(entry)
        if (others.length > OTHERS) others = others.slice(-OTHERS)
      }
      return entry
    },
    all() {
      const all = last && steps.at(-1) !== last ? [...steps, last] : steps
      return [...all, ...others].sort((a, b) => a.seq - b.seq)
    },
  }
}
