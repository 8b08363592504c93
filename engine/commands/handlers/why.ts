import { dirname, join } from 'node:path'
import { StillroomError, UnsupportedError } from '../../errors.ts'
import { choosePreprocess, openPredictor } from '../../evaluate/index.ts'
import { rebatch } from '../../inspect/index.ts'
import { assertValid, type Model } from '../../ir/index.ts'
import { inlineFunctions, readModel } from '../../onnx/index.ts'
import { explainDrop, summaryOf, type Choices, type Explanation } from '../../quantize/index.ts'
import { random } from '../../random.ts'
import { integerKernels, probeCpu } from '../../session/index.ts'
import type { CommandOutput, ParsedInput } from '../contract/index.ts'
import { commandText } from './commandText.ts'
import { handler } from './handler.ts'
import { CALIBRATION_SAMPLES, quantizeOn, readSource } from './quantizing.ts'
import { openData } from './trainingParts.ts'

type Input = ParsedInput<'why'>
type Result = CommandOutput<'why'>

/** Fewer samples decide nothing: then others of the training share are taken. */
const FEW = 100
const WORST = 3

export default handler<'why'>(async (input, ctx) => {
  const warn = (text: string) => ctx.emit('message', { level: 'warning', text })
  const { dataset, splits, labelled } = await openData(input)
  dataset.warnings.forEach(warn)
  const float = await readSource(input.model, warn)
  const quantized = await readQuantized(input.quantized)
  const cpu = await probeCpu()
  const kernels = integerKernels(cpu)
  const target = input.host === 'this' ? (kernels.sums === 'pairs' ? 'pairs' : 'exact') : input.host === 'vnni' ? 'exact' : 'pairs'
  const predictor = await openPredictor(float, { threads: input.threads, name: input.model })
  const { preprocess, text } = await choosePreprocess(predictor, dataset, {
    wanted: input.preprocess,
    indices: splits.train,
    labels: labelled,
    seed: input.seed,
  }).finally(() => predictor.release())
  ctx.emit('message', { level: 'info', text })
  // As `quantize` draws them; what decides is taken from the validation share, or from the far end of this order.
  const order = random(input.seed, 'calibration')
    .permutation(splits.train.length)
    .map((at) => splits.train[at]!)
  const deciding = splits.validation.length >= FEW ? splits.validation : order.slice(CALIBRATION_SAMPLES).reverse()
  try {
    const explanation = await explainDrop({
      float,
      quantized,
      dataset,
      preprocess,
      calibration: order.slice(0, CALIBRATION_SAMPLES),
      diagnosis: (deciding.length > 0 ? deciding : order).slice(0, input.samples),
      heldOut: splits.test.slice(0, input.samples),
      here: kernels.sums,
      target,
      maxDrop: input.maxDrop,
      threads: input.threads,
      signal: ctx.signal,
      onProgress: (step) => ctx.emit('stage', { name: step }),
      requantize: async (choices) => {
        const made = await quantizeOn({
          model: float, dataset, splits, preprocess, seed: input.seed, threads: input.threads, signal: ctx.signal,
          scheme: choices.scheme, calibration: choices.calibration, granularity: choices.granularity, equalize: choices.equalize,
          exclude: choices.exclude, smooth: choices.smooth, biasCorrection: choices.biasCorrection, symmetric: choices.symmetric,
          rounding: choices.rounding, roundingSteps: choices.roundingSteps, samples: choices.calibrationSamples, reduceRange: choices.reduceRange,
          warn: () => undefined, progress: () => undefined,
        }) // prettier-ignore
        return made.model
      },
    })
    return resultOf(explanation, input, dataset.classes, target, kernels.text)
  } catch (error) {
    if (ctx.signal.aborted) throw new StillroomError('interrupted', 'the search for the cause was stopped', { where: 'why' })
    throw error
  }
})

/** The quantized file as it is, of any batch size where that can be done. */
async function readQuantized(path: string): Promise<Model> {
  const model = inlineFunctions(await readModel(path))
  assertValid(model, path)
  try {
    return await rebatch(model)
  } catch (error) {
    if (error instanceof UnsupportedError) return model
    throw error
  }
}

const finite = (x: number | null): number | null => (x !== null && Number.isFinite(x) ? x : null)
const noise = (signal: number, error: number) => finite(error > 0 && signal > 0 ? 10 * Math.log10(signal / error) : null)

type Judged = Explanation['evidence']['float']
const plain = ({ value, ci95, agreement, sqnr }: Judged) => ({
  value,
  ...(ci95 ? { ci95: [ci95[0], ci95[1]] as [number, number] } : {}),
  ...(agreement === undefined ? {} : { agreement }),
  sqnr: finite(sqnr),
})

function resultOf(
  x: Explanation,
  input: Input,
  classes: readonly string[] | undefined,
  target: 'exact' | 'pairs',
  text: string,
): Result {
  const { evidence: e, heldOut } = x
  const named = (at: number) => classes?.[at] ?? `class ${at}`
  return {
    summary: summaryOf(x),
    verdict: x.verdict,
    measure: x.measure,
    choices: { ...x.choices },
    parts: {
      samples: e.samples,
      float: plain(e.float),
      quantized: plain(e.quantized),
      weights: plain(e.weights),
      activations: plain(e.activations),
      ...(e.again ? { again: plain(e.again) } : {}),
      alone: e.alone.map(({ layer, judged }) => ({ layer, ...plain(judged) })),
    },
    host: {
      target: target === 'pairs' ? 'no-vnni' : 'vnni',
      text,
      vnni: plain(e.exact),
      noVnni: plain(e.pairs),
      layersAtRisk: x.layers.filter((l) => l.atRisk > 0).length,
    },
    layers: x.layers.map(({ inputs: _, outputs, input: __, ...layer }) => ({
      ...layer,
      worstChannels: [...outputs.sqnr.keys()]
        .sort((p, q) => outputs.sqnr[p]! - outputs.sqnr[q]!)
        .slice(0, WORST)
        .map((channel) => ({ channel, sqnr: outputs.sqnr[channel]!, weightSqnr: outputs.weightSqnr[channel]! })),
    })),
    activations: x.values.map((v) => ({
      value: v.value,
      isInput: v.isInput,
      readBy: [...v.readBy],
      covered: [v.covered[0], v.covered[1]],
      seen: [v.seen[0], v.seen[1]],
      clipped: v.clipped,
      clippingSqnr: noise(v.signal, v.clipNoise),
      roundingSqnr: noise(v.signal, v.roundNoise),
      spread: v.spread,
    })),
    flips: {
      ...x.flips,
      shown: x.flips.shown.map(({ index, label, float, quantized, margin }) => ({
        index,
        ...(label === undefined ? {} : { label: named(label) }),
        float: named(float),
        quantized: named(quantized),
        margin,
      })),
    },
    causes: x.causes.map((c) => ({
      ...c,
      layers: [...c.layers],
      fixes: c.fixes.map((f) => ({ ...f, choices: { ...f.choices } })),
    })),
    ...(x.fix ? { fix: fixOf(x.fix, input) } : {}),
    heldOut: {
      samples: heldOut.samples,
      float: plain(heldOut.float),
      quantized: plain(heldOut.quantized),
      ...(heldOut.fixed ? { fixed: plain(heldOut.fixed) } : {}),
    },
  }
}

/** The fix as an input of `quantize`: what the person chose for the data, and the options that make the model. */
function fixOf(fix: NonNullable<Explanation['fix']>, input: Input): NonNullable<Result['fix']> {
  const { scheme, calibration, calibrationSamples, granularity, equalize, exclude, reduceRange, ...further } = fix.choices
  const made = {
    model: input.model,
    data: input.data,
    scheme: scheme as 'int8',
    calibration: calibration as 'minmax',
    granularity,
    equalize,
    exclude: [...exclude],
    ...further,
    ...(calibrationSamples === undefined ? {} : { calibrationSamples }),
    // Absent, `quantize` decides by the processor that it runs on.
    ...(reduceRange || input.host === 'no-vnni' ? { reduceRange } : {}),
    seed: input.seed,
    split: input.split,
    labels: input.labels,
    preprocess: input.preprocess,
    ...(input.store === undefined ? {} : { store: input.store }),
    ...(input.threads === undefined ? {} : { threads: input.threads }),
    out: join(dirname(input.quantized), 'fixed'),
  }
  const { choices, ...rest } = fix
  const changed: Partial<Choices> = choices
  return { ...rest, choices: { ...changed }, input: made, command: commandText('quantize', made) }
}
