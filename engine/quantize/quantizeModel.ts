import { OptionError, UnsupportedError } from '../errors.ts'
import { sizeOf, type Model, type TensorData } from '../ir/index.ts'
import { applyPasses, cloneModel, type RewriteReport } from '../passes/index.ts'
import dropIdentity from '../passes/rewrites/drop-identity.ts'
import eliminateDead from '../passes/rewrites/eliminate-dead.ts'
import foldBatchNorm from '../passes/rewrites/fold-batch-norm.ts'
import { accountOf, type LayerAccount } from './account.ts'
import { calibrators } from './calibrators/list.gen.ts'
import { compare, observe, type RunOptions, type Samples } from './calibrate.ts'
import { equalize } from './equalize.ts'
import { Histogram } from './histogram.ts'
import { inputMeans } from './biasCorrection.ts'
import { keepFloat } from './keepFloat.ts'
import { makePlan, type Group, type Plan } from './plan.ts'
import { toOperators } from './qoperator.ts'
import { reconstruct, type GridWeight } from './reconstruct/index.ts'
import { insertQuantization } from './rewrite.ts'
import { rounders } from './rounders/list.gen.ts'
import { asymmetric, symmetric, type Quantization, type Scheme } from './scheme.ts'
import { schemes } from './schemes/list.gen.ts'
import { smoothActivations } from './smooth.ts'
import { leastScales, quantizeWeight } from './weights.ts'

export interface QuantizeOptions extends RunOptions {
  /** Id of a scheme; default `int8`. */
  scheme?: string | undefined
  /** Id of a calibrator; default `minmax`. */
  calibration?: string | undefined
  /** What shares one weight scale; default `per-channel`. */
  granularity?: 'per-channel' | 'per-tensor' | undefined
  /** Weights in 7 bits where the scheme could overflow on x86 processors without VNNI (`Scheme.saturates`). Default false. */
  reduceRange?: boolean | undefined
  /** Balances the ranges of neighbouring layers first. Default false. */
  equalize?: boolean | undefined
  /** SmoothQuant's alpha in [0, 1]: outliers of what linear layers read move into their weights. Absent: they stay. */
  smooth?: number | undefined
  /** Biases make up for the mean that the rounding of weights adds. Default false. */
  biasCorrection?: boolean | undefined
  /** Activations with the middle of the integers for 0. Default false: the integers cover what was seen. */
  symmetric?: boolean | undefined
  /** Id of a rounder for the weights: the nearest (`rtn`, default), or one that learns. */
  rounding?: string | undefined
  /** Optimizer steps for each layer or block of roundings that learn. */
  roundingSteps?: number | undefined
  /** `qdq`: pairs around float operators, which every runtime reads; `qoperator`: operators on integers. Default `qdq`. */
  format?: 'qdq' | 'qoperator' | undefined
  /** Layers that stay in float: names, or /expressions/. */
  exclude?: readonly string[] | undefined
  /** Distributions of values that were observed before; those that were missing are added. */
  seen?: Map<string, Histogram> | undefined
  /** Whether the noise of each layer is measured. Default true. */
  account?: boolean | undefined
  /** Inputs from the training data, in batches; gone through twice. */
  samples: Samples
}

export interface Quantized {
  model: Model
  layers: LayerAccount[]
  /** What the graph was changed into before: same outputs. */
  rewrites: { pass: string; report: RewriteReport }[]
  /** Range and integers of every rounded activation. */
  activations: { values: string[]; min: number; max: number; scale: number; zero: number }[]
  warnings: string[]
}

/**
 * Makes an integer model of a float one: folds batch norms, finds activation ranges on samples, stores weights as integers, and puts
 * QuantizeLinear and DequantizeLinear pairs where ONNX Runtime's integer kernels take them up.
 * Errors: OptionError for unknown schemes or calibrations and for no samples; UnsupportedError where nothing can be quantized.
 */
export async function quantizeModel(model: Model, options: QuantizeOptions): Promise<Quantized> {
  const calibrator = choose(calibrators, options.calibration ?? 'minmax', 'calibration')
  const scheme = reduced(choose(schemes, options.scheme ?? 'int8', 'scheme'), options.reduceRange ?? false)
  const { model: float, reports } = applyPasses(model, [dropIdentity, foldBatchNorm, eliminateDead])
  const warnings: string[] = []
  if (options.equalize && equalize(float.graph) === 0)
    warnings.push('no two convolutions follow each other in a way that their ranges can be balanced')
  if (options.smooth !== undefined && (await smoothActivations(float, options.smooth, options.samples, options)).length === 0)
    warnings.push('no linear layer follows a layer norm or another linear layer that could take over the outliers of its input')
  const domain = quantizationDomain(float, scheme, warnings)
  const plan = makePlan(float.graph, options.exclude)
  if (plan.layers.every((l) => l.reason !== undefined))
    throw new UnsupportedError('no layer of the model can be computed in integers', {
      where: float.graph.name || 'model',
      hint: plan.layers.length
        ? plan.layers.map((l) => `'${l.node.name}': ${l.reason}`).join('; ')
        : 'it has no Conv, Gemm or MatMul',
    })

  const seen = options.seen ?? new Map<string, Histogram>()
  const missing = new Set(plan.groups.flatMap((g) => g.sources.filter((name) => !seen.has(name))))
  if (missing.size > 0)
    for (const [name, histogram] of await observe(float, missing, options.samples, options)) seen.set(name, histogram)
  const activations = new Map<string, Quantization>()
  const account: Quantized['activations'] = []
  for (const group of plan.groups) {
    const histogram = together(group, seen)
    if (histogram.invalid > 0) warnings.push(`'${group.members[0]}' was not finite ${histogram.invalid} times during calibration`)
    const [low, high] = histogram.total === 0 ? [0, 0] : calibrator.range(histogram, scheme.activations)
    const range = [group.floor ? 0 : low, Math.min(high, group.ceiling)] as const
    const q = options.symmetric ? symmetric(range, scheme.activations) : asymmetric(range, scheme.activations)
    activations.set(group.members[0]!, q)
    account.push({ values: group.members, min: range[0], max: range[1], ...q })
  }

  const quantized = cloneModel(float)
  // The plan points at nodes, so it is made again for the copy; it is the same, as it depends on the graph alone.
  const perChannel = (options.granularity ?? 'per-channel') === 'per-channel'
  const levels = await learnedLevels(float, plan, { scheme, perChannel, activations }, options, warnings)
  const noise = insertQuantization(quantized.graph, makePlan(quantized.graph, options.exclude), {
    scheme,
    perChannel,
    domain,
    activations,
    symmetric: options.symmetric,
    levels,
    inputMeans: options.biasCorrection ? await inputMeans(float, plan, options.samples, options) : undefined,
  })
  keepFloat(quantized.graph)
  eliminateDead.run(quantized.graph)
  if (domain !== '') quantized.opsets.set(domain, 1)
  if (options.format === 'qoperator') {
    warnings.push(...toOperators(quantized))
    eliminateDead.run(quantized.graph)
  }

  const outputs = new Set(plan.layers.map((l) => l.output))
  const settings = { threads: options.threads, signal: options.signal }
  const sqnr =
    (options.account ?? true)
      ? await compare(float, quantized, comparable(quantized, outputs), options.samples, settings)
      : new Map<string, undefined>()
  const layers = plan.layers.map(({ node, output, reason, weight }) =>
    accountOf(node, scheme.precision, reason, sqnr.get(output), noise.get(output), weight?.size),
  )
  return { model: quantized, layers, rewrites: reports, activations: account, warnings }
}

function choose<T extends { id: string }>(list: readonly T[], id: string, where: string): T {
  const found = list.find((item) => item.id === id)
  if (!found) throw new OptionError(`expected ${list.map((item) => item.id).join(', ')}; found '${id}'`, { where })
  return found
}

/** 64 x 255 x 2 is the largest sum of two products that 16 bits hold. */
const reduced = (scheme: Scheme, reduce: boolean): Scheme =>
  reduce && scheme.saturates ? { ...scheme, weightBits: 7, weights: { ...scheme.weights, low: -64, high: 64 } } : scheme

/** Values that the quantized model still has in float: operators on integers leave none between them. */
function comparable(model: Model, names: ReadonlySet<string>): Set<string> {
  const made = new Set(model.graph.nodes.flatMap((n) => n.outputs))
  return new Set([...names].filter((name) => made.has(name)))
}

/** Integers of weights from a rounder that learns, by the layer's output; undefined where the nearest are taken. */
async function learnedLevels(
  float: Model,
  plan: Plan,
  { scheme, perChannel, activations }: { scheme: Scheme; perChannel: boolean; activations: ReadonlyMap<string, Quantization> },
  o: QuantizeOptions,
  warnings: string[],
): Promise<Map<string, Float32Array> | undefined> {
  const rounder = choose(rounders, o.rounding ?? 'rtn', 'rounding')
  if (rounder.id === 'rtn') return undefined
  if (!rounder.learns)
    throw new OptionError(`'${rounder.id}' is for weight-only schemes; here: rtn, ${rounders.filter((r) => r.learns).map((r) => r.id).join(', ')}`, { where: 'rounding' }) // prettier-ignore
  const grids = new Map<string, GridWeight>()
  const outputOf = new Map<string, string>()
  for (const { node, output, weight, bias, axis, reason } of plan.layers) {
    if (reason !== undefined || !float.graph.initializers.has(node.inputs[1]!)) continue
    const input = activations.get(plan.groupOf.get(node.inputs[0]!)!.members[0]!)!
    const least = leastScales(bias, input.scale, weight!.dims[axis]!, perChannel)
    const { scale, zero } = quantizeWeight(weight!, perChannel ? axis : undefined, scheme.weights, least)
    const inner = sizeOf(weight!.dims.slice(axis + 1))
    const spread = (t: TensorData) => {
      const list = t.numbers()
      return Float32Array.from(
        { length: weight!.size },
        (_, i) => list[list.length === 1 ? 0 : Math.floor(i / inner) % list.length]!,
      )
    }
    const { low, high } = scheme.weights
    const values = Float32Array.from(weight!.numbers())
    grids.set(node.outputs[0]!, {
      name: node.inputs[1]!,
      dims: weight!.dims,
      values,
      scale: spread(scale),
      zero: spread(zero),
      low,
      high,
    })
    outputOf.set(node.inputs[1]!, output)
  }
  const { threads, signal, samples } = o
  const found = await reconstruct(float, grids, { threads, signal, samples, by: rounder.learns, steps: o.roundingSteps })
  warnings.push(...found.warnings)
  return new Map([...found.levels].map(([name, levels]) => [outputOf.get(name)!, levels]))
}

/** Scales for each channel exist from opset 13 on and 16 bits from 21 on; ONNX Runtime's own operators do the same for older models. */
function quantizationDomain(model: Model, scheme: Scheme, warnings: string[]): string {
  const opset = model.opsets.get('') ?? model.opsets.get('ai.onnx') ?? 1
  if (opset >= (scheme.activationBits > 8 ? 21 : 13)) return ''
  if (opset >= 13) {
    warnings.push(`the model has opset ${opset}; below 21 there are no standard activations of 16 bits, so the file uses ONNX Runtime's own QuantizeLinear (com.microsoft)`) // prettier-ignore
    return 'com.microsoft'
  }
  warnings.push(
    `the model has opset ${opset}; below 13 there is no standard form of scales for each channel, so the file uses ONNX Runtime's own QuantizeLinear (com.microsoft)`,
  )
  return 'com.microsoft'
}

function together(group: Group, seen: ReadonlyMap<string, Histogram>): Histogram {
  if (group.sources.length === 1) return seen.get(group.sources[0]!)!
  const all = new Histogram()
  for (const name of group.sources) all.merge(seen.get(name)!)
  return all
}
