import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { InferenceSession } from 'onnxruntime-node'

export const PROVIDERS = ['cpu', 'webgpu', 'cuda', 'dml', 'coreml'] as const
export type Provider = (typeof PROVIDERS)[number]

export interface SessionOptions {
  /** Execution provider; the CPU takes what it cannot run. Default `cpu`. */
  provider?: Provider | undefined
  /** CPU threads, at least 1. Default: physical cores. The sum over sessions running at one time must not exceed the cores. */
  threads?: number | undefined
  /** Graph optimization of ONNX Runtime. Default `all`; below `layout` convolutions are not blocked. */
  level?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all' | undefined
  /**
   * Plan one memory block for a fixed shape. Default off: measured at the same speed for a third less memory.
   */
  memPattern?: boolean | undefined
  /** One thread and reproducible kernels: the same feeds give the same bits. */
  deterministic?: boolean | undefined
  /** Record times of every node; read them with `session.profile()`. */
  profile?: boolean | undefined
  /** Sizes for named dimensions, told to the optimizer. */
  dims?: Readonly<Record<string, number>> | undefined
  /** Files that the model's external data refers to, held in memory: path as in the model, content. */
  externalData?: readonly { path: string; data: Uint8Array }[] | undefined
  /** Folder that external data paths are relative to, for a model given as bytes. */
  externalFolder?: string | undefined
  /** Outputs that stay on the device of a GPU provider; feed them back or fetch them through another session. */
  onDevice?: readonly string[] | undefined
  /** Write the optimized model; `ort` is ONNX Runtime's own file format. */
  save?: { path: string; format: 'onnx' | 'ort' } | undefined
  /** Other session configuration entries of ONNX Runtime, e.g. `session.set_denormal_as_zero`. */
  config?: Readonly<Record<string, string>> | undefined
  /** What messages call the model. Default: its path, or `model`. */
  name?: string | undefined
}

/** Fatal only: an error arrives as an exception and would otherwise be printed as well. */
const LOG_FATAL = 4

let cores: number | undefined

/** Physical cores that this process may use, at least 1. Hyper-threads do not help the kernels. */
export function physicalCores(): number {
  if (cores !== undefined) return cores
  const available = availableParallelism()
  let physical = available
  try {
    const ids = new Set<string>()
    for (const block of readFileSync('/proc/cpuinfo', 'utf8').split('\n\n')) {
      const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1]
      if (core !== undefined) ids.add(`${/^physical id\s*:\s*(\d+)/m.exec(block)?.[1] ?? 0}:${core}`)
    }
    if (ids.size) physical = ids.size
  } catch {
    // No such file outside Linux: take what the system offers.
  }
  return (cores = Math.max(1, Math.min(available, physical)))
}

/** Options of ONNX Runtime for ours. `profilePrefix` is the path that profile files begin with, `onCpu` names nodes that WebGPU must not have. */
export function runtimeOptions(
  o: SessionOptions,
  outputs: readonly string[],
  profilePrefix: string | undefined,
  onCpu: readonly string[] = [],
): InferenceSession.SessionOptions {
  const provider = o.provider ?? 'cpu'
  // Its threads would go on spinning after a run, on the cores that the update in place and the loading of batches want next: measured, 6 % of a small step.
  const config: Record<string, string> = { 'session.force_spinning_stop': '1', ...o.config }
  if (o.deterministic) config['session.use_deterministic_compute'] = '1'
  if (o.externalFolder) config['session.model_external_initializers_file_folder_path'] = o.externalFolder
  if (o.save?.format === 'ort') config['session.save_model_format'] = 'ORT'
  const onDevice = new Set(o.onDevice ?? [])
  return {
    executionProviders:
      provider === 'cpu' ? ['cpu'] : [onCpu.length ? { name: 'webgpu', forceCpuNodeNames: onCpu } : provider, 'cpu'],
    intraOpNumThreads: o.deterministic ? 1 : (o.threads ?? physicalCores()),
    // Parallel execution of branches was measured 2.4 times slower.
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: o.level ?? 'all',
    enableCpuMemArena: true,
    enableMemPattern: o.memPattern ?? false,
    logSeverityLevel: LOG_FATAL,
    ...(profilePrefix ? { enableProfiling: true, profileFilePrefix: profilePrefix } : {}),
    ...(o.dims ? { freeDimensionOverrides: o.dims } : {}),
    ...(o.externalData ? { externalData: [...o.externalData] } : {}),
    ...(o.save ? { optimizedModelFilePath: o.save.path } : {}),
    // Per output: with one setting for all, scalars such as losses could no longer be read.
    ...(onDevice.size
      ? { preferredOutputLocation: Object.fromEntries(outputs.map((n) => [n, onDevice.has(n) ? 'gpu-buffer' : 'cpu'] as const)) }
      : {}),
    ...(Object.keys(config).length ? { extra: nested(config) } : {}),
  }
}

/** The binding wants dotted keys as nested objects. */
function nested(config: Readonly<Record<string, string>>): Record<string, unknown> {
  const root: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(config)) {
    const parts = key.split('.')
    const last = parts.pop()!
    let at = root
    for (const part of parts) at = (at[part] ??= {}) as Record<string, unknown>
    at[last] = value
  }
  return root
}
