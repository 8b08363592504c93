export { benchmarkModels, type BenchmarkOptions, type BenchmarkResult, type Measured } from './benchmarkModels.ts'
export { isQuantized, slowReasons, type SlowReason } from './slowness.ts'
export { latencyOf, median, quantile, ratioOf, type Latency } from './statistics.ts'
export { peakMemory, PEAK_METHOD } from './memory.ts'
