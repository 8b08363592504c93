import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { choosePreprocess, evaluateModel, openPredictor, PREPROCESS_KEY, type ChosenPreprocess } from '../../evaluate/index.ts'
import { StillroomError } from '../../errors.ts'
import type { Model } from '../../ir/index.ts'
import { writeModel } from '../../onnx/index.ts'
import { QUANTIZATION_KEY, saturationRisk, type SaturatingLayer } from '../../quantize/index.ts'
import type { CommandOutput, ParsedInput } from '../contract/index.ts'
import { analysePalettes } from '../../quantize/index.ts'
import { handler, type HandlerContext } from './handler.ts'
import { quantizeAware } from './qat.ts'
import { CALIBRATION_SAMPLES, missedDrop, quantizeOn, readSource, WEIGHT_BITS } from './quantizing.ts'
import { checkOut } from './training.ts'
import { openData } from './trainingParts.ts'
import { ENGINE_VERSION } from './version.ts'

type Input = ParsedInput<'quantize'>
type Result = CommandOutput<'quantize'>
type Context = HandlerContext<'quantize'>

export default handler<'quantize'>(async (input, ctx) => {
  if (!ctx.resume) checkOut(input.out, input.overwrite)
  const digest = createHash('sha256').update(readFileSync(input.model)).digest('hex')
  const made = {
    kind: 'quantize',
    recipe: input,
    resolved: input,
    seed: input.seed,
    engineVersion: ENGINE_VERSION,
    out: input.out ?? null,
    models: { model: digest },
  }
  const run = ctx.resume?.run ?? ctx.store.createRun(made)
  ctx.store.claimRun(run.id)
  ctx.emit('started', { run: run.id })
  try {
    const result = await quantize(input, ctx, run.id)
    ctx.store.endRun(run.id, { status: 'done', result })
    return result
  } catch (error) {
    const known = error instanceof StillroomError ? error : undefined
    const failure = {
      code: known?.code ?? 'bug',
      message: (error as Error).message,
      ...(known?.where ? { where: known.where } : {}),
    }
    ctx.store.endRun(run.id, { status: known?.code === 'interrupted' ? 'stopped' : 'failed', error: failure })
    throw error
  }
})

async function quantize(input: Input, ctx: Context, run: string): Promise<Result> {
  const warn = (text: string) => ctx.emit('message', { level: 'warning', text })
  const { dataset, splits, labelled } = await openData(input)
  dataset.warnings.forEach(warn)
  const source = await readSource(input.model, warn)
  const session = { threads: input.threads, provider: input.provider }
  const float = await openPredictor(source, { ...session, name: input.model })
  try {
    const chosen = await choosePreprocess(float, dataset, {
      wanted: input.preprocess,
      indices: splits.train,
      labels: labelled,
      seed: input.seed,
    })
    ctx.emit('message', { level: 'info', text: chosen.text })
    ctx.emit('stage', { name: input.qat ? 'train' : 'calibrate', index: 1, of: 2 })
    const quantized: Awaited<ReturnType<typeof quantizeOn>> = input.qat
      ? await quantizeAware({ input, source, dataset, splits, labelled, preprocess: chosen.preprocess, run }, ctx)
      : await quantizeOn({
          ...input,
          model: source,
          dataset,
          splits,
          preprocess: chosen.preprocess,
          samples: input.calibrationSamples,
          trials: join(ctx.store.runFolder(run), 'trials.json'),
          signal: ctx.signal,
          warn,
          progress: (done, total) => ctx.emit('progress', { done, total, unit: 'samples' }),
        })
    const risk = saturationRisk(quantized.model).filter((l) => l.atRisk > 0)
    if (risk.length > 0) ctx.emit('message', { level: 'info', text: riskText(risk) })
    const out = input.out ?? join(ctx.store.runFolder(run), 'out')
    mkdirSync(out, { recursive: true })
    const path = join(out, `model_${input.scheme}.onnx`)
    await writeModel(described(quantized.model, chosen, input), path, { external: 'none' })

    ctx.emit('stage', { name: 'evaluate', index: 2, of: 2 })
    const judged = await openPredictor(path, session)
    const evaluation = await evaluateModel({
      model: judged,
      against: float,
      dataset,
      indices: splits.test,
      preprocess: chosen.preprocess,
      signal: ctx.signal,
      onProgress: (done, total) => ctx.emit('progress', { done, total, unit: 'samples' }),
    }).finally(() => judged.release())
    const metrics = { float: evaluation.against!, quantized: evaluation.metrics } as Result['metrics']
    const missedGoals = missedDrop(input.maxDrop, metrics.float, metrics.quantized)
    const bytes = readFileSync(path)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    ctx.store.addArtifact({ run, kind: 'model', path, bytes: bytes.length, sha256, parents: [] })
    const result: Result = {
      run,
      model: path,
      scheme: input.scheme,
      bytes: bytes.length,
      layers: quantized.layers.map((layer) => ({ ...layer })),
      metrics,
      calibration: { method: input.calibration, granularity: input.granularity, activations: quantized.activations.length },
      ...(input.qat ? { qat: { estimator: input.qat, bits: input.qatBits } } : {}),
      ...(WEIGHT_BITS[input.scheme] ? { rounding: input.rounding, block: input.block } : {}),
      ...(input.analyse === 'palette' ? { palettes: analysePalettes(source.graph) } : {}),
      ...('trials' in quantized
        ? { trials: quantized.trials, frontier: quantized.frontier, sensitivity: quantized.sensitivity }
        : {}),
      preprocess: chosen.preprocess,
      ...(missedGoals.length ? { missedGoals } : {}),
    }
    writeFileSync(join(out, 'metrics.json'), `${JSON.stringify(result, null, 2)}\n`)
    if (chosen.preprocess) writeFileSync(join(out, 'preprocess.json'), `${JSON.stringify(chosen.preprocess, null, 2)}\n`)
    return result
  } finally {
    await float.release()
  }
}

/** What may happen on older processors, whatever this one does. */
function riskText(layers: readonly SaturatingLayer[]): string {
  const [risky, all] = [layers.reduce((n, l) => n + l.atRisk, 0), layers.reduce((n, l) => n + l.pairs, 0)]
  return `on x86 processors without VNNI ${((100 * risky) / all).toFixed(1)} % of the pairs of products in ${layers.length} layers could overflow: \`evaluate --host no-vnni\` says what that costs, --reduce-range avoids it`
}

/** The file says how its input is prepared and how its numbers were made. */
function described(model: Model, { preprocess }: ChosenPreprocess, input: Input): Model {
  const metadata = new Map(model.metadata)
  if (preprocess) metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess))
  metadata.set(
    QUANTIZATION_KEY,
    JSON.stringify({
      scheme: input.scheme,
      calibration: input.calibration,
      granularity: input.granularity,
      calibrationSamples: input.calibrationSamples ?? CALIBRATION_SAMPLES,
      ...(input.equalize ? { equalize: true } : {}),
      ...(input.exclude.length ? { exclude: input.exclude } : {}),
      ...(input.smooth === undefined ? {} : { smooth: input.smooth }),
      ...(input.biasCorrection ? { biasCorrection: true } : {}),
      ...(input.symmetric ? { symmetric: true } : {}),
      ...(input.rounding === 'rtn' ? {} : { rounding: input.rounding }),
      ...(input.roundingSteps === undefined ? {} : { roundingSteps: input.roundingSteps }),
      ...(input.qat ? { qat: input.qat, bits: input.qatBits } : {}),
    }),
  )
  return { ...model, metadata }
}
