import { OptionError } from '../errors.ts'
import { getInt, type Model, type Node } from '../ir/index.ts'
import { newBuilder, concat, type Tensor } from '../ops/index.ts'
import { geometry, taps, type SpatialAttrs } from '../ops/support/spatial.ts'
import { createSession, type Session, type Value } from '../session/index.ts'
import { withOutputs, type RunOptions, type Samples } from './calibrate.ts'
import type { WeightLayer } from './matrices.ts'
import { TILE, type InputStatistics } from './rounder.ts'

/** Second moments are computed by ONNX Runtime too: a product of what the layer reads with itself, one small graph for each shape. */
interface Moments {
  session: Session
  columns: number
}

const spatial = (node: Node): SpatialAttrs & { group: number } => {
  const list = (name: string) => {
    const a = node.attrs.get(name)
    return a?.type === 'ints' ? a.value.map(Number) : undefined
  }
  const pad = node.attrs.get('auto_pad')
  return {
    auto_pad: pad?.type === 'string' ? new TextDecoder().decode(pad.value) : 'NOTSET',
    kernel_shape: list('kernel_shape'),
    strides: list('strides'),
    dilations: list('dilations'),
    pads: list('pads'),
    group: getInt(node, 'group', 1),
  }
}

/** What each output position of a convolution reads: [N, C taps, positions], channels outermost as in the weight. */
function columnsOf(x: Tensor, kernel: readonly number[], a: SpatialAttrs): Tensor {
  const size = x.shape.slice(2)
  const g = geometry(size, kernel, a)
  const end = g.out.map((o, i) =>
    Math.max(0, (o - 1) * g.strides[i]! + (g.kernel[i]! - 1) * g.dilations[i]! + 1 - size[i]! - g.begin[i]!),
  )
  const padded = [...g.begin, ...end].some((p) => p > 0) ? x.pad([0, 0, ...g.begin, 0, 0, ...end]) : x
  const axes = size.map((_, i) => i + 2)
  const positions = g.out.reduce((n, o) => n * o, 1)
  const parts = taps(g.kernel).map((t) => {
    const starts = t.map((k, i) => k * g.dilations[i]!)
    const ends = starts.map((s, i) => s + (g.out[i]! - 1) * g.strides[i]! + 1)
    return padded.slice(starts, ends, axes, g.strides).reshape([x.shape[0]!, x.shape[1]!, 1, positions])
  })
  return concat(parts, 2).reshape([x.shape[0]!, x.shape[1]! * parts.length, positions])
}

/** The graph for one shape of a layer's input: sums of the tiles of `gram`, and `size` [K], over `count` rows. */
async function moments(
  { node, weight }: WeightLayer,
  dims: readonly number[],
  threads: number | undefined,
): Promise<Moments & { count: number }> {
  const b = newBuilder()
  const x = b.input('x', 'float32', dims)
  const rows =
    node.op === 'Conv'
      ? columnsOf(x, weight!.dims.slice(2), spatial(node)).transpose([0, 2, 1])
      : x.reshape([1, x.size / dims.at(-1)!, dims.at(-1)!])
  const [n, p, k] = rows.shape as [number, number, number]
  const flat = rows.reshape([n * p, k])
  const tiles = Array.from({ length: Math.ceil(k / TILE) }, (_, t) => {
    const tile = k <= TILE ? flat : flat.slice([t * TILE], [Math.min(k, (t + 1) * TILE)], [1])
    return [`gram/${t}`, tile.T.matmul(tile)] as const
  })
  const model = b.model({ ...Object.fromEntries(tiles), size: flat.abs().sum([0]) })
  return { session: await createSession(model, { threads, name: 'input statistics' }), columns: k, count: n * p }
}

/** Whether the inputs of a layer can be told column by column: grouped and transposed convolutions mix them otherwise. */
export const hasStatistics = ({ node }: WeightLayer): boolean =>
  node.op === 'MatMul' ||
  (node.op === 'Gemm' && !getInt(node, 'transA', 0)) ||
  (node.op === 'Conv' && getInt(node, 'group', 1) === 1)

/**
 * Second moments of the inputs of each layer over samples, by the layer's first output. Memory: one matrix of columns^2 numbers a layer.
 * Errors: OptionError without samples.
 */
export async function inputStatistics(
  model: Model,
  layers: readonly WeightLayer[],
  samples: Samples,
  options: RunOptions = {},
): Promise<Map<string, InputStatistics>> {
  const wanted = new Set(layers.map((l) => l.node.inputs[0]!))
  const session = await createSession(withOutputs(model, wanted), { threads: options.threads, name: 'calibration' })
  const fed = new Set(model.graph.inputs.map((v) => v.name))
  const graphs = new Map<string, Moments & { count: number }>()
  const sums = new Map<string, { gram: Float64Array[]; size: Float64Array; count: number }>()
  try {
    let done = 0
    for await (const feeds of samples()) {
      options.signal?.throwIfAborted()
      const fetches = [...wanted].filter((name) => !fed.has(name))
      const values: Record<string, Value> = fetches.length ? await session.run(feeds, fetches) : {}
      for (const layer of layers) {
        const name = layer.node.inputs[0]!
        const x = (values[name] ?? feeds[name])!
        const key = `${layer.node.outputs[0]}:${x.dims.join()}`
        let graph = graphs.get(key)
        if (!graph) graphs.set(key, (graph = await moments(layer, x.dims, options.threads)))
        const out = await graph.session.run({ x })
        const k = graph.columns
        const sum = sums.get(layer.node.outputs[0]!) ?? { gram: [], size: new Float64Array(k), count: 0 }
        for (let t = 0; t * TILE < k; t++) {
          const g = out[`gram/${t}`]!.data as Float32Array
          const tile = (sum.gram[t] ??= new Float64Array(g.length))
          for (let i = 0; i < g.length; i++) tile[i]! += g[i]!
        }
        const s = out.size!.data as Float32Array
        for (let i = 0; i < s.length; i++) sum.size[i]! += s[i]!
        sum.count += graph.count
        sums.set(layer.node.outputs[0]!, sum)
      }
      done += Object.values(feeds)[0]?.dims[0] ?? 1
      options.onProgress?.(done)
    }
    if (done === 0) throw new OptionError('expected at least one calibration sample, found none', { where: 'calibrationSamples' })
  } finally {
    await session.release()
    for (const { session: s } of graphs.values()) await s.release()
  }
  return new Map(
    [...sums].map(([name, { gram, size, count }]) => [
      name,
      { gram: gram.map((tile) => tile.map((v) => v / count)), meanAbs: size.map((v) => v / count) },
    ]),
  )
}
