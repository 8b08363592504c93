import { batchInputs, type AnyPreprocess, type DataSet, type Splits } from '../../data/index.ts'
import { OptionError } from '../../errors.ts'
import { findMethod } from '../../methods/index.ts'
import type { Model } from '../../ir/index.ts'
import { prepareQat, samplesFor, type Quantized } from '../../quantize/index.ts'
import { random } from '../../random.ts'
import { blockSize } from '../../session/index.ts'
import { augmentOf, fit, readCheckpoint, taskOf } from '../../train/index.ts'
import type { ParsedInput } from '../contract/index.ts'
import type { HandlerContext } from './handler.ts'
import { CALIBRATION_SAMPLES, needsReducedRange } from './quantizing.ts'
import { tapped, widthOf } from './training.ts'
import { recorder } from './trainingParts.ts'
import { tunerOf } from './tuning.ts'

/** Peak rate when nothing is said: the model is trained already. */
const RATE = 0.01
/** Share of the steps with moving statistics of batch norms. Krishnamoorthi 2018 (arXiv:1806.08342, section 3.2.2) freezes them late. */
const FREEZE_AFTER = 0.5
/** PACT decays its clips as weights are (Choi et al. 2018, section 3.1). */
const CLIP_DECAY = 1e-4
/** Polino et al. 2018, section 2: temperature and share of the teacher. */
const DISTILLATION = { temperature: 2, alpha: 0.7 }

interface Request {
  input: ParsedInput<'quantize'>
  source: Model
  dataset: DataSet
  splits: Splits
  labelled: boolean
  preprocess: AnyPreprocess | undefined
  run: string
}

/**
 * Trains the model as the integers that it becomes, taught by itself in floats. A stop leaves a checkpoint to go on from.
 * Errors: OptionError for schemes without integer activations, and for numbers to predict without labels.
 */
export async function quantizeAware(r: Request, ctx: HandlerContext<'quantize'>): Promise<Quantized> {
  const { input, source, dataset, splits, labelled } = r
  if (input.scheme !== 'int8')
    throw new OptionError(`quantization-aware training makes int8 models, found '${input.scheme}'`, {
      where: 'scheme',
      hint: 'fewer bits: --qat-bits 4',
    })
  const task = taskOf(dataset, splits.train)
  if (task.kind === 'values' && !labelled)
    throw new OptionError('numbers to predict are learned from labels, and there are none', { where: 'labels' })
  const warn = (text: string) => ctx.emit('message', { level: 'warning', text })
  const optimizer = input.optimizer ?? 'sgd'
  const order = random(input.seed, 'calibration').permutation(splits.train.length)
  const indices = order.slice(0, input.calibrationSamples ?? CALIBRATION_SAMPLES).map((at) => splits.train[at]!)
  const qat = await prepareQat(source, {
    estimator: input.qat!,
    bits: input.qatBits,
    // Few levels are lost on a range that one large value stretches.
    calibration: input.qatBits < 8 && input.calibration === 'minmax' ? 'mse' : input.calibration,
    granularity: input.granularity === 'per-tensor' ? 'per-tensor' : 'per-channel',
    reduceRange: input.qatBits === 8 && (await needsReducedRange({ scheme: 'int8', warn })),
    exclude: input.exclude,
    freezeAfter: FREEZE_AFTER,
    relative: optimizer !== 'sgd',
    clipDecay: CLIP_DECAY,
    samples: samplesFor(source, { dataset, indices, preprocess: r.preprocess }),
    threads: input.threads,
    signal: ctx.signal,
  })
  const student = tapped(qat.model)
  const perEpoch = Math.max(1, Math.floor(Math.floor(splits.train.length / input.batch) / input.accumulate))
  const steps = input.steps ?? Math.max(1, Math.round((input.epochs ?? input.qatEpochs) * perEpoch))
  const method = findMethod('hinton-kd')
  const record = recorder(ctx as never, r.run, steps)
  const found = ctx.resume?.checkpoint
  const result = await fit({
    student,
    teacher: task.kind === 'values' ? undefined : tapped(source),
    samples: { dataset, preprocess: r.preprocess },
    splits,
    task,
    classes: widthOf(student, batchInputs(dataset, r.preprocess, 1)),
    labelled,
    methods: task.kind === 'values' ? [] : [{ method, options: method.options.parse(DISTILLATION) }],
    qat: qat.rounding,
    steps,
    batch: input.batch,
    lr: input.lr ?? (optimizer === 'sgd' ? RATE : RATE / 10),
    optimizer,
    momentum: input.momentum ?? 0.9,
    weightDecay: input.weightDecay ?? 1e-4,
    schedule: input.schedule ?? 'cosine',
    warmup: input.warmup ?? Math.min(100, Math.round(steps / 20)),
    clip: input.clip,
    ema: input.ema,
    accumulate: input.accumulate,
    labelSmoothing: input.labelSmoothing,
    augment: input.augment.map(augmentOf),
    patience: input.patience,
    evalEvery: input.evalEvery ?? Math.max(perEpoch, Math.ceil(steps / 20)),
    checkpointEvery: input.checkpointEvery ?? Math.max(20, Math.ceil(steps / 20)),
    seed: input.seed,
    threads: input.threads,
    provider: input.provider,
    target: { provider: input.provider, block: await blockSize() },
    tuner: tunerOf(input, ctx.store.path, (text) => ctx.emit('message', { level: 'info', text })),
    resume: found && readCheckpoint(found.path),
    signal: ctx.signal,
    on: record.on,
  })
  record.flush()
  const done = await qat.finish(result.weights)
  done.warnings.forEach(warn)
  if (input.qatBits < 8)
    warn(
      `${input.qatBits} bits: weights are stored so where the file can hold it, and ONNX Runtime computes them on 8-bit or float kernels`,
    )
  return done
}
