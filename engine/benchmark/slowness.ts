import { sizeOf, usageOf, type Graph, type Model } from '../ir/index.ts'
import type { IntegerKernels, NodeTime } from '../session/index.ts'

/** Why a quantized model is hardly faster than its float model. */
export interface SlowReason {
  id: 'unfused' | 'conversions' | 'float-operators' | 'weights-only' | 'no-vnni' | 'tiny-layers' | 'memory-bound' | 'no-gain'
  /** Share of the quantized model's time that it concerns, in [0, 1]. */
  share: number
  text: string
}

export interface SlownessOptions {
  quantized: Model
  /** Node times of both models on the same inputs. */
  times: readonly NodeTime[]
  floatTimes: readonly NodeTime[]
  kernels: IntegerKernels
  /** Bytes per second that this machine copies at, reads and writes counted. */
  bandwidth: number
}

/** Below this ratio of float time to its own time, a quantized model owes an explanation. */
export const FAST_ENOUGH = 1.1
/** A node below this time is mostly its own start. */
const TINY_MS = 0.02
/** Shares below this explain nothing. */
const MATTERS = 0.1
/** A node that moves its bytes at this share of the memory's speed waits for them. */
const BOUND = 0.4

const INTEGER = /^(QLinear|QGemm$|QAttention$|MatMulInteger|ConvInteger|DynamicQuantizeMatMul$)/
const CONVERSION = new Set([
  'QuantizeLinear',
  'DequantizeLinear',
  'DynamicQuantizeLinear',
  'Cast',
  'ReorderInput',
  'ReorderOutput',
  'Transpose',
])
const LAYER = new Set([
  'Conv',
  'FusedConv',
  'NhwcFusedConv',
  'ConvTranspose',
  'Gemm',
  'FusedGemm',
  'MatMul',
  'FusedMatMul',
  'MatMulNBits',
])

/** Whether a model stores weights or computes in fewer bits. */
export function isQuantized({ graph }: Model): boolean {
  const ops = graph.nodes.some(({ op }) => /QuantizeLinear$|^MatMulNBits$/.test(op) || INTEGER.test(op))
  return ops || [...graph.initializers.values()].some((t) => t.size > 64 && /^(float16|bfloat16|u?int[48])$/.test(t.dtype))
}

/**
 * Reasons from the profile, those that concern most of the time first; never empty. Node names are those of the file, as ONNX Runtime keeps them through
 * its fusions with a suffix.
 */
export function slowReasons({ quantized, times, floatTimes, kernels, bandwidth }: SlownessOptions): SlowReason[] {
  const total = sum(times)
  if (!(total > 0)) return [{ id: 'no-gain', share: 1, text: 'its layers take no measurable time' }]
  const share = (nodes: readonly NodeTime[]) => sum(nodes) / total
  const integer = times.filter((t) => INTEGER.test(t.op))
  const floats = times.filter((t) => LAYER.has(t.op))
  const conversions = times.filter((t) => CONVERSION.has(t.op))
  const rest = times.filter((t) => ![...integer, ...floats, ...conversions].includes(t))
  const reasons: SlowReason[] = []
  const add = (id: SlowReason['id'], part: number, text: string) => {
    if (part >= MATTERS) reasons.push({ id, share: Math.min(1, part), text })
  }

  const meant = integerLayers(quantized.graph)
  const unfused = floats.filter((t) => meant.some((name) => named(t, name)))
  add('unfused', share(unfused), `${unfused.length} of ${meant.length} layers run in float though the file has integers around them: no integer kernel was fused for ${list(unfused)} (${percent(share(unfused))} of the time)`) // prettier-ignore
  if (integer.length === 0 && meant.length === 0)
    add('weights-only', 1, 'only weights are stored in fewer bits: the arithmetic is that of the float model, so it is smaller and not faster') // prettier-ignore
  const left = meant.length + integer.length > 0 ? [...rest, ...floats.filter((t) => !unfused.includes(t))] : []
  add(
    'float-operators',
    share(left),
    `${percent(share(left))} of the time is in operators that have no integers: ${list(left, true)}`,
  )
  add('conversions', share(conversions), `${percent(share(conversions))} of the time converts between floats and integers or between layouts: ${list(conversions, true)}`) // prettier-ignore
  if (integer.length > 0 && kernels.sums === 'pairs') add('no-vnni', share(integer), `${kernels.text}; an integer product costs three instructions there instead of one`) // prettier-ignore
  if (integer.length > 0 && kernels.sums === 'unknown') add('no-vnni', share(integer), kernels.text)
  const tiny = times.filter((t) => t.medianMs < TINY_MS)
  add('tiny-layers', share(tiny), `${tiny.length} of ${times.length} nodes take less than ${1000 * TINY_MS} µs, ${percent(share(tiny))} of the time together: starting them costs as much as their arithmetic`) // prettier-ignore
  const weights = weightBytes(quantized.graph)
  const bound = [...integer, ...floats].filter((t) => {
    const bytes = (t.bytes ?? 0) + (weights.find(([name]) => named(t, name))?.[1] ?? 0)
    return t.medianMs >= TINY_MS && bytes / (t.medianMs / 1000) > BOUND * bandwidth
  })
  add('memory-bound', share(bound), `waiting for memory, not for arithmetic: ${list(bound)} (more than ${percent(BOUND)} of its ${(bandwidth / 1e9).toFixed(1)} GB/s)`) // prettier-ignore
  const before = sum(floatTimes.filter((t) => LAYER.has(t.op)))
  if (reasons.length === 0 || (integer.length > 0 && sum(integer) > before / FAST_ENOUGH))
    add('no-gain', Math.max(MATTERS, share(integer)), `integer layers take ${ms(sum(integer))} ms, the float layers ${ms(before)} ms: for these shapes ${list(integer, true) || 'they'} are no faster`) // prettier-ignore
  return reasons.sort((p, q) => q.share - p.share)
}

/** Names of the layers that get integers as weights and activations. */
function integerLayers(graph: Graph): string[] {
  const { producer } = usageOf(graph)
  const from = (name: string | undefined) => (name === undefined ? undefined : producer.get(name)?.op)
  return graph.nodes.flatMap((n) =>
    LAYER.has(n.op) && from(n.inputs[0]) === 'DequantizeLinear' && from(n.inputs[1]) === 'DequantizeLinear'
      ? [n.name || n.outputs[0]!]
      : [],
  )
}

/** Bytes of each layer's stored weights, by its name. */
function weightBytes(graph: Graph): [string, number][] {
  const { producer } = usageOf(graph)
  return graph.nodes.flatMap((n): [string, number][] => {
    if (!LAYER.has(n.op) && !INTEGER.test(n.op)) return []
    const bytes = n.inputs.slice(1).reduce((all, name) => {
      const stored = graph.initializers.get(name) ?? graph.initializers.get(producer.get(name)?.inputs[0] ?? '')
      return all + (stored ? (sizeOf(stored.dims) * bitsOf(stored.dtype)) / 8 : 0)
    }, 0)
    return [[n.name || n.outputs[0]!, bytes]]
  })
}

/** Of an element: the number that the type's name ends in. */
const bitsOf = (dtype: string): number => Number(/\d+$/.exec(dtype)?.[0] ?? 8)
/** Fused nodes keep the name with a suffix. */
const named = (t: NodeTime, name: string): boolean => t.name === name || (name !== '' && t.name.startsWith(`${name}_`))
const sum = (nodes: readonly NodeTime[]): number => nodes.reduce((a, t) => a + t.medianMs, 0)
const percent = (x: number) => `${Math.round(100 * x)} %`
const ms = (x: number) => x.toFixed(3)

/** The costliest few, by name or by operator. */
function list(nodes: readonly NodeTime[], byOp = false): string {
  const costs = new Map<string, number>()
  for (const t of nodes) costs.set(byOp ? t.op : t.name, (costs.get(byOp ? t.op : t.name) ?? 0) + t.medianMs)
  const sorted = [...costs].sort((p, q) => q[1] - p[1]).map(([name]) => (byOp ? name : `'${name}'`))
  return `${sorted.slice(0, 3).join(', ')}${sorted.length > 3 ? ` and ${sorted.length - 3} more` : ''}`
}

/** Bytes per second of copying large arrays, the best of a few tries; about 50 ms. */
export function copySpeed(): number {
  const from = new Uint8Array(32 << 20).fill(1)
  const to = new Uint8Array(from.length)
  let best = 0
  for (let i = 0; i < 4; i++) {
    const start = performance.now()
    to.set(from)
    best = Math.max(best, (2 * from.length) / ((performance.now() - start) / 1000))
  }
  return best
}
