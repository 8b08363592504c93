import { floatAttr, getFloat, getInt, TensorData, type Node } from '../../ir/index.ts'
import { Links } from '../links.ts'
import { definePass } from '../rewrite.ts'

/** y = x * gain + shift for each channel: what a batch norm does at inference. */
interface Affine {
  gain: Float64Array
  shift: Float64Array
}

export default definePass({
  id: 'fold-batch-norm',
  why: 'At inference a batch norm is a scale and a shift for each channel, which the layer before it can do for free.',
  run(graph) {
    const report = { changed: 0, refused: [] as { node: string; reason: string }[] }
    const links = new Links(graph)
    for (const node of graph.nodes) {
      if (node.op !== 'BatchNormalization' || node.domain !== '') continue
      const reason = fold(links, node)
      if (reason === undefined) report.changed++
      else report.refused.push({ node: node.name, reason })
    }
    links.finish()
    return report
  },
})

/** Folds one batch norm; gives the reason where it cannot. */
function fold(links: Links, norm: Node): string | undefined {
  if (getInt(norm, 'training_mode', 0) !== 0) return 'it runs in training mode'
  if (getInt(norm, 'spatial', 1) !== 1) return 'it normalises each position on its own (spatial = 0)'
  if (norm.outputs.slice(1).some((name) => name && (links.isOutput(name) || links.readers(name).length > 0)))
    return 'its statistics are used elsewhere'
  const affine = affineOf(norm, links)
  if (typeof affine === 'string') return affine
  const input = norm.inputs[0]!
  const layer = links.producer(input)
  if (!layer || layer.domain !== '' || !['Conv', 'ConvTranspose', 'Gemm'].includes(layer.op))
    return `what comes before it is ${layer ? `a ${layer.op}` : 'an input'}, not a Conv, ConvTranspose or Gemm`
  if (links.isOutput(input)) return `the output of '${layer.name}' is an output of the model`
  if (links.readers(input).length > 1) return `the output of '${layer.name}' has other readers`
  const weight = links.constant(layer.inputs[1])
  if (!weight) return `the weight of '${layer.name}' is not constant`
  if (weight.dtype !== 'float32' && weight.dtype !== 'float64') return `the weight of '${layer.name}' is ${weight.dtype}`
  const bias = layer.inputs[2] ? links.constant(layer.inputs[2]) : undefined
  if (layer.inputs[2] && !bias) return `the bias of '${layer.name}' is not constant`

  const channels = affine.gain.length
  const channelOf = outputChannels(layer, weight)
  if (channelOf.count !== channels) return `'${layer.name}' has ${channelOf.count} output channels, the batch norm ${channels}`
  const old = biasPerChannel(layer, bias, channels)
  if (!old) return `the bias of '${layer.name}' differs between samples`
  const values = weight.numbers()
  const scaled = new Float64Array(values.length)
  for (let i = 0; i < scaled.length; i++) scaled[i] = values[i]! * affine.gain[channelOf.at(i)]!
  const shift = affine.shift.map((s, c) => s + old[c]! * affine.gain[c]!)

  const name = layer.name || input
  const weightName = links.fresh(`${layer.inputs[1]}/folded`)
  links.graph.initializers.set(weightName, TensorData.from(weight.dtype, weight.dims, scaled))
  const biasName = links.fresh(`${name}/bias/folded`)
  links.graph.initializers.set(biasName, TensorData.from(weight.dtype, [channels], shift))
  layer.inputs = [layer.inputs[0]!, weightName, biasName]
  if (layer.op === 'Gemm') layer.attrs.set('beta', floatAttr(1))
  const output = norm.outputs[0]!
  // The layer now makes the norm's value, so nothing that reads or names it has to change.
  links.drop(norm)
  links.rename(layer, input, output)
  return undefined
}

function affineOf(norm: Node, links: Links): Affine | string {
  const parts = norm.inputs.slice(1, 5).map((name) => links.constant(name))
  if (parts.length < 4 || parts.some((p) => !p)) return 'its statistics or parameters are not constant'
  const [scale, bias, mean, variance] = parts.map((p) => p!.numbers())
  const epsilon = getFloat(norm, 'epsilon', 1e-5)
  const gain = Float64Array.from(scale!, (s, c) => s / Math.sqrt(variance![c]! + epsilon))
  return { gain, shift: gain.map((g, c) => bias![c]! - mean![c]! * g) }
}

/** Which output channel a weight belongs to, by its place in the array. */
function outputChannels(layer: Node, weight: TensorData): { count: number; at: (i: number) => number } {
  const [first = 1, second = 1] = weight.dims
  const area = weight.size / Math.max(1, first)
  if (layer.op === 'Conv') return { count: first, at: (i) => Math.floor(i / area) }
  if (layer.op === 'Gemm')
    return getInt(layer, 'transB', 0)
      ? { count: first, at: (i) => Math.floor(i / second) }
      : { count: second, at: (i) => i % second }
  // ConvTranspose: [in, out / group, ...]; a group of inputs makes its own outputs.
  const group = getInt(layer, 'group', 1)
  const kernel = area / Math.max(1, second)
  const inGroup = first / group
  return { count: second * group, at: (i) => Math.floor(i / area / inGroup) * second + (Math.floor(i / kernel) % second) }
}

/** The bias of each channel, zeros where there is none; undefined where it depends on more than the channel. */
function biasPerChannel(layer: Node, bias: TensorData | undefined, channels: number): Float64Array | undefined {
  const out = new Float64Array(channels)
  if (!bias) return out
  const values = bias.numbers()
  const last = bias.dims.at(-1) ?? 1
  if (values.length !== last || (last !== 1 && last !== channels)) return undefined
  const beta = layer.op === 'Gemm' ? getFloat(layer, 'beta', 1) : 1
  return out.map((_, c) => beta * values[last === 1 ? 0 : c]!)
}
