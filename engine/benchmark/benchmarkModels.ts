import { performance } from 'node:perf_hooks'
import { StillroomError } from '../errors.ts'
import { random } from '../random.ts'
import { readModel } from '../onnx/index.ts'
import { integerKernels, physicalCores, probeCpu, type NodeTime, type Provider } from '../session/index.ts'
import { peakMemory, PEAK_METHOD } from './memory.ts'
import { copySpeed, FAST_ENOUGH, isQuantized, slowReasons, type SlowReason } from './slowness.ts'
import { latencyOf, ratioOf, type Latency } from './statistics.ts'
import { openSubject, type Subject } from './subject.ts'

export interface BenchmarkOptions {
  /** The model, and possibly another to compare with. */
  paths: readonly [string] | readonly [string, string]
  /** Samples in a call. */
  batch?: number
  /** Timed calls of each model, at least 1. */
  repeats?: number
  threads?: number | undefined
  provider?: Provider
  /** Time of every layer as well. */
  layers?: boolean
  /** Peak memory as well; default true. */
  memory?: boolean
  seed?: number
  signal?: AbortSignal
  onProgress?: (done: number, total: number) => void
}

export interface Measured {
  path: string
  latencyMs: Latency
  /** Samples per second, from the median. */
  throughput: number
  /** See `peakMethod`; absent where it could not be measured. */
  peakBytes?: number
  /** Median time of every node of the optimized graph. */
  layers?: NodeTime[]
}

export interface BenchmarkResult {
  device: { cpu: string; cores: number; threads: number; provider: Provider; blockSize: number; instructionSets: string[] }
  batch: number
  repeats: number
  peakMethod: string
  models: Measured[]
  /** Time of the second model over that of the first, paired by round: above 1, the first is the faster one. */
  ratio?: { median: number; ci95: [number, number] }
  /** Where one model is quantized, the other is not, and the quantized one is less than 1.1 times as fast: why, from its profile. */
  slow?: { path: string; speedup: number; reasons: SlowReason[] }
}

/** Untimed calls before the first round: at least so many, and so many milliseconds. */
const WARM_UP_CALLS = 3
const WARM_UP_MS = 200
const PROFILED_CALLS = 10

/**
 * Latency of one model, or of two in turn. Every round calls each model once, in random order, so that a machine that slows
 * down for a while slows both; the ratio is taken round by round.
 * Errors: those of loading and running the models.
 */
export async function benchmarkModels(o: BenchmarkOptions): Promise<BenchmarkResult> {
  const { batch = 1, repeats = 50, provider = 'cpu', memory = true } = o
  const session = { threads: o.threads, provider }
  const peaks: (number | undefined)[] = []
  // Before anything is loaded here, so that only one process works at a time.
  if (memory) for (const path of o.paths) peaks.push(await peakMemory({ path, batch, threads: o.threads, provider }))
  const subjects: Subject[] = []
  try {
    for (const path of o.paths) subjects.push(await openSubject(path, batch, session))
    for (const subject of subjects) await warmUp(subject)
    const times = await interleave(subjects, repeats, o)
    const ratio = times[1] ? ratioOf(times[0]!, times[1]) : undefined
    const layers = o.layers ? await profiles(o.paths, batch, session) : []
    const cpu = await probeCpu()
    return {
      device: {
        cpu: cpu.model,
        cores: cpu.cores,
        threads: o.threads ?? physicalCores(),
        provider,
        blockSize: cpu.blockSize,
        instructionSets: cpu.instructionSets,
      },
      batch,
      repeats,
      peakMethod: PEAK_METHOD,
      models: subjects.map(({ path }, i) => {
        const latencyMs = latencyOf(times[i]!)
        const peak = peaks[i]
        return {
          path,
          latencyMs,
          throughput: (1000 * batch) / latencyMs.p50,
          ...(peak === undefined ? {} : { peakBytes: peak }),
          ...(layers[i] ? { layers: layers[i] } : {}),
        }
      }),
      ...(ratio ? { ratio } : {}),
      ...(ratio && provider === 'cpu' ? await explainSlow(o.paths, batch, session, ratio.median, layers) : {}),
    }
  } finally {
    for (const subject of subjects) await subject.session.release()
  }
}

async function warmUp({ session, feeds }: Subject): Promise<void> {
  const start = performance.now()
  for (let i = 0; i < WARM_UP_CALLS || performance.now() - start < WARM_UP_MS; i++) await session.run(feeds)
}

/** Milliseconds of every call, by subject and round. */
async function interleave(subjects: readonly Subject[], repeats: number, o: BenchmarkOptions): Promise<number[][]> {
  const times = subjects.map(() => new Array<number>(repeats))
  const order = random(o.seed ?? 0, 'benchmark-order')
  for (let round = 0; round < repeats; round++) {
    if (o.signal?.aborted) throw new StillroomError('interrupted', 'the benchmark was stopped')
    for (const i of order.fork(round).permutation(subjects.length)) {
      const { session, feeds } = subjects[i]!
      const start = performance.now()
      await session.run(feeds)
      times[i]![round] = performance.now() - start
    }
    o.onProgress?.(round + 1, repeats)
  }
  return times
}

/** Profiling slows a session down, so it has sessions of its own. */
async function profiles(
  paths: readonly string[],
  batch: number,
  session: { threads: number | undefined; provider: Provider },
): Promise<NodeTime[][]> {
  const out: NodeTime[][] = []
  for (const path of paths) {
    const { session: profiled, feeds } = await openSubject(path, batch, { ...session, profile: true })
    for (let i = 0; i < PROFILED_CALLS; i++) await profiled.run(feeds)
    out.push(profiled.profile())
    await profiled.release()
  }
  return out
}

/** Reasons where one of two models is quantized and hardly faster; of a file that is no ONNX (`.ort`) nothing is known. */
async function explainSlow(
  paths: readonly string[],
  batch: number,
  session: { threads: number | undefined; provider: Provider },
  ratio: number,
  known: readonly NodeTime[][],
): Promise<Pick<BenchmarkResult, 'slow'>> {
  if (!paths.every((path) => /\.onnx$/i.test(path))) return {}
  const models = [await readModel(paths[0]!), await readModel(paths[1]!)] as const
  const which = models.map(isQuantized).indexOf(true)
  if (which < 0 || isQuantized(models[1 - which]!)) return {}
  const speedup = which === 0 ? ratio : 1 / ratio
  if (speedup >= FAST_ENOUGH) return {}
  const times = known.length === 2 ? known : await profiles(paths, batch, session)
  const cpu = await probeCpu()
  const reasons = slowReasons({
    quantized: models[which]!,
    times: times[which]!,
    floatTimes: times[1 - which]!,
    kernels: integerKernels(cpu),
    bandwidth: copySpeed(),
  })
  return { slow: { path: paths[which]!, speedup, reasons } }
}
