import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Time of one node, summed over all runs of a profile. */
export interface NodeTime {
  /** Name of the node in the optimized graph; fused nodes carry a name that ONNX Runtime made. */
  name: string
  op: string
  provider: string
  /** Runs seen. */
  calls: number
  totalMs: number
  /** Median over the runs: the first calls and interrupted ones do not weigh. */
  medianMs: number
  /** Activations that a call reads and writes, in bytes, as ONNX Runtime counts them; absent where it does not tell. */
  bytes?: number
}

interface ProfileEvent {
  cat?: string
  name?: string
  dur?: number
  args?: { op_name?: string; provider?: string; activation_size?: string; output_size?: string }
}

/** Node times in the newest profile of a folder, in order of execution. Nodes inside control flow are listed as well. */
export function readProfile(folder: string): NodeTime[] {
  const files = readdirSync(folder).filter((f) => f.endsWith('.json'))
  const file = files.sort().at(-1)
  return file ? parseProfile(readFileSync(join(folder, file), 'utf8')) : []
}

/** Node times in a profile of ONNX Runtime (a JSON list of trace events). */
export function parseProfile(json: string): NodeTime[] {
  const events = JSON.parse(json) as ProfileEvent[]
  const times = new Map<string, { op: string; provider: string; ms: number[]; bytes: number }>()
  for (const e of events) {
    if (e.cat !== 'Node' || !e.name?.endsWith('_kernel_time')) continue
    const name = e.name.slice(0, -'_kernel_time'.length)
    const entry = times.get(name) ?? { op: e.args?.op_name ?? '', provider: e.args?.provider ?? '', ms: [], bytes: bytesOf(e) }
    entry.ms.push((e.dur ?? 0) / 1000)
    times.set(name, entry)
  }
  return [...times].map(([name, { op, provider, ms, bytes }]) => {
    const sorted = [...ms].sort((a, b) => a - b)
    return {
      name,
      op,
      provider: provider.replace(/ExecutionProvider$/, '').toLowerCase(),
      calls: ms.length,
      totalMs: ms.reduce((a, b) => a + b, 0),
      medianMs: sorted[sorted.length >> 1] ?? 0,
      ...(Number.isFinite(bytes) ? { bytes } : {}),
    }
  })
}

/** NaN where the event has no sizes. */
const bytesOf = ({ args }: ProfileEvent): number => Number(args?.activation_size) + Number(args?.output_size)
