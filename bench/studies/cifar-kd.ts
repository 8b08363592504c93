import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { augmentOf, fit, logitsOf, rolesOf, toNet, withWeights, type FitOptions, type Net } from '../../engine/train/index.ts'
import { defaultPreprocess, makeSplits, openDataSet } from '../../engine/data/index.ts'
import { makeMeter } from '../../engine/metrics/index.ts'
import { findMethod } from '../../engine/methods/index.ts'
import { blockSize } from '../../engine/session/index.ts'
import { buildTemplate } from '../../engine/students/index.ts'
import { readModel, writeModel } from '../../engine/onnx/index.ts'
import { sharedData } from '../../tests/shared.ts'

export const title = 'CIFAR-10 (12,000 images): resnet-8 with and without a resnet-20 teacher'
export const help =
  '--seeds 1,2,3,4,5 --teacher-epochs 30 --epochs 20 --threads N --out FOLDER (keeps the teacher for the next run)'

/** Two-sided 97.5 % points of Student's t, by degrees of freedom. */
const T975 = [NaN, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]

/** Paired comparison of the same student from the same seed, with soft labels (Hinton) and with labels alone. */
export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: {
      seeds: { type: 'string' },
      out: { type: 'string' },
      epochs: { type: 'string' },
      threads: { type: 'string' },
      'teacher-epochs': { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const folder = sharedData('cifar10-12k')
  if (!folder) return { text: 'the CIFAR-10 images are absent', json: { skipped: true } }
  const root = existsSync(join(folder, 'cifar10')) ? join(folder, 'cifar10') : folder
  const seeds = (args.seeds ?? '1,2,3,4,5').split(',').map(Number)
  const out = args.out ?? mkdtempSync(join(tmpdir(), 'stillroom-cifar-'))
  const dataset = await openDataSet(root, { labels: 'on' })
  const preprocess = { ...defaultPreprocess(dataset), mean: [0.4914, 0.4822, 0.4465], std: [0.2471, 0.2435, 0.2616] }
  const target = { provider: 'cpu' as const, block: await blockSize() }
  const build = (student: string, seed: number): Net =>
    toNet(buildTemplate(student, { input: [3, 32, 32], classes: 10, seed }), 'logits')
  const train = async (net: Net, seed: number, epochs: number, teacher: Net | undefined): Promise<Net> => {
    const splits = { ...makeSplits(dataset, { seed, validationShare: 0 }) }
    const options: FitOptions = {
      student: net, teacher, samples: { dataset, preprocess }, splits, classes: 10, labelled: true,
      methods: teacher ? [{ method: findMethod('hinton-kd'), options: { temperature: 4, alpha: 0.9 } }] : [],
      steps: Math.round(epochs * Math.floor(splits.train.length / 64)), batch: 64, lr: 0.05, optimizer: 'sgd', momentum: 0.9, weightDecay: 5e-4,
      schedule: 'cosine', warmup: 100, accumulate: 1, labelSmoothing: 0, augment: ['flip', 'padded-crop'].map(augmentOf), evalEvery: 0,
      checkpointEvery: Infinity, seed, threads: args.threads ? Number(args.threads) : undefined, provider: 'cpu', target,
      on: { step: (e) => e.step % 100 === 0 && process.stderr.write(`${e.step}/${e.steps} loss ${e.losses.total!.toFixed(3)} ${e.rate.toFixed(1)}/s\n`) },
    } // prettier-ignore
    const result = await fit(options)
    return { ...net, model: withWeights(net.model, result.weights) }
  }
  const top1 = async (net: Net): Promise<number> => {
    const { test } = makeSplits(dataset, { seed: 0 })
    const { rows, classes } = await logitsOf(net, { dataset, preprocess }, test)
    const meter = makeMeter(['top1'])
    meter.add({ classes, logits: rows, label: test.map((i) => dataset.labels![i]!) })
    return 100 * meter.finish().top1!.value
  }
  const file = join(out, 'teacher.onnx')
  let teacher = build('resnet-20', 0)
  if (existsSync(file)) teacher = toNet(await readModel(file), 'logits')
  else {
    teacher = await train(teacher, 0, Number(args['teacher-epochs'] ?? 30), undefined)
    await writeModel(teacher.model, file)
  }
  const epochs = Number(args.epochs ?? 20)
  const rows: { seed: number; alone: number; taught: number }[] = []
  for (const seed of seeds) {
    const alone = await top1(await train(build('resnet-8', seed), seed, epochs, undefined))
    const taught = await top1(await train(build('resnet-8', seed), seed, epochs, teacher))
    rows.push({ seed, alone, taught })
  }
  const gains = rows.map((r) => r.taught - r.alone)
  const mean = gains.reduce((a, b) => a + b, 0) / gains.length
  const deviation = Math.sqrt(gains.reduce((s, g) => s + (g - mean) ** 2, 0) / Math.max(1, gains.length - 1))
  const half = (T975[gains.length - 1] ?? 1.96) * (deviation / Math.sqrt(gains.length))
  const parameters = rolesOf(teacher.model.graph).parameters.length
  const json = {
    teacher: await top1(teacher),
    rows,
    gain: { mean, ci95: [mean - half, mean + half] },
    epochs,
    teacherTensors: parameters,
  }
  const table = rows.map(
    (r) => `| ${r.seed} | ${r.alone.toFixed(2)} | ${r.taught.toFixed(2)} | ${(r.taught - r.alone).toFixed(2)} |`,
  )
  const text = [
    `Teacher resnet-20: ${json.teacher.toFixed(2)} % top-1 on 2,000 test images`,
    '',
    '| seed | resnet-8 alone | with the teacher | gain |',
    '| --- | --- | --- | --- |',
    ...table,
    '',
    `Gain ${mean.toFixed(2)} points, paired 95 % interval [${(mean - half).toFixed(2)}, ${(mean + half).toFixed(2)}]`,
  ].join('\n')
  // The claim: the interval of the gain lies above zero.
  return { json, text, missed: !(mean - half > 0) }
}
