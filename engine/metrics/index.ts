export { defineMetric, type MetricBatch, type MetricDefinition, type MetricInput, type MetricValue } from './support/define.ts'
export { allMetrics, makeMeter, metricOf, type Meter } from './support/meter.ts'
export { bootstrapInterval, meanValue, proportionValue } from './support/intervals.ts'
export { metrics } from './list.gen.ts'
