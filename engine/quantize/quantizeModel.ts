import { OptionError, UnsupportedError } from '../errors.ts'
import type { Model } from '../ir/index.ts'
import { applyPasses, cloneModel, type RewriteReport } from '../passes/index.ts'
import dropIdentity from '../passes/rewrites/drop-identity.ts'
import eliminateDead from '../passes/rewrites/eliminate-dead.ts'
import foldBatchNorm from '../passes/rewrites/fold-batch-norm.ts'
import { accountOf, type LayerAccount } from './account.ts'
import { calibrators } from './calibrators/list.gen.ts'
import { compare, observe, type RunOptions, type Samples } from './calibrate.ts'
import { equalize } from './equalize.ts'
import { Histogram } from './histogram.ts'
import { makePlan, type Group } from './plan.ts'
import { insertQuantization } from './rewrite.ts'
import { asymmetric, type Quantization, type Scheme } from './scheme.ts'
import { schemes } from './schemes/list.gen.ts'

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
  const domain = quantizationDomain(float, warnings)
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
    const q = asymmetric(range, scheme.activations)
    activations.set(group.members[0]!, q)
    account.push({ values: group.members, min: range[0], max: range[1], ...q })
  }

  const quantized = cloneModel(float)
  // The plan points at nodes, so it is made again for the copy; it is the same, as it depends on the graph alone.
  const perChannel = (options.granularity ?? 'per-channel') === 'per-channel'
  const noise = insertQuantization(quantized.graph, makePlan(quantized.graph, options.exclude), {
    scheme,
    perChannel,
    domain,
    activations,
  })
  eliminateDead.run(quantized.graph)
  if (domain !== '') quantized.opsets.set(domain, 1)

  const outputs = new Set(plan.layers.map((l) => l.output))
  const settings = { threads: options.threads, signal: options.signal }
  const sqnr =
    (options.account ?? true) ? await compare(float, quantized, outputs, options.samples, settings) : new Map<string, undefined>()
  const layers = plan.layers.map(({ node, output, reason }) =>
    accountOf(node, scheme.precision, reason, sqnr.get(output), noise.get(output)),
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

/** Scales for each channel exist from opset 13 on; ONNX Runtime's own operators do the same for older models. */
function quantizationDomain(model: Model, warnings: string[]): string {
  const opset = model.opsets.get('') ?? model.opsets.get('ai.onnx') ?? 1
  if (opset >= 13) return ''
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
