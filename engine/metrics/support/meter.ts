import { OptionError } from '../../errors.ts'
import { metrics } from '../list.gen.ts'
import type { MetricBatch, MetricDefinition, MetricInput, MetricInputs, MetricValue } from './define.ts'

/** Any metric, its state's type forgotten: `start`, `add` and `finish` of one definition only ever see their own. */
type AnyMetric = MetricDefinition

export interface Meter {
  /** Adds a batch. Metrics whose inputs it lacks are left out of the result for good. */
  add(batch: MetricBatch): void
  /** Values by metric id; a metric that could not be computed is absent. */
  finish(): Record<string, MetricValue>
}

export const allMetrics = metrics as unknown as readonly AnyMetric[]

/** The metric of an id. Throws OptionError with the known ids. */
export function metricOf(id: string): AnyMetric {
  const found = allMetrics.find((metric) => metric.id === id)
  if (found) return found
  throw new OptionError(`expected one of ${allMetrics.map((m) => m.id).join(', ')}, found '${id}'`, { where: 'metrics' })
}

/**
 * Computes metrics over batches as they come.
 * @param ids which; all by default
 * @param options by metric id
 */
export function makeMeter(ids?: readonly string[], options: Readonly<Record<string, unknown>> = {}): Meter {
  const chosen = ids ? ids.map(metricOf) : allMetrics
  const running = chosen.map((metric) => {
    const parsed = metric.options.safeParse(options[metric.id] ?? {})
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new OptionError(issue!.message, { where: ['metrics', metric.id, ...issue!.path].join('.') })
    }
    return { metric, state: metric.start(parsed.data), complete: true }
  })
  return {
    add(batch) {
      for (const run of running) {
        if (!run.metric.reads.every((input) => batch[input] !== undefined)) run.complete = false
        if (run.complete) run.metric.add(run.state, batch as { classes: number } & Pick<MetricInputs, MetricInput>)
      }
    },
    finish() {
      const values = running.flatMap(({ metric, state, complete }) => {
        const value = complete ? metric.finish(state) : undefined
        return value ? [[metric.id, value] as const] : []
      })
      return Object.fromEntries(values)
    },
  }
}
