import { copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { handlers, inProcess, makeClient, makeDispatcher } from '../../engine/commands/index.ts'
import { hostileModel, withoutEnds } from './hostile.ts'
import { sharedData } from '../../tests/shared.ts'

/** A model of the study: where its file and its data are. */
export interface StudyModel {
  name: string
  file: string
  data: string
  /** Points of accuracy that static int8 per channel may lose. */
  bound: number
}

interface Recipe {
  name: string
  /** Made from another one by spreading the ranges of its channels by this factor; `tune`: trained on first, without upper ends of activations. */
  hostile?: { from: string; factor: number; tune?: Record<string, unknown> }
  data(): string | undefined
  bound: number
  /** Input of `train`; absent for a model that comes trained. */
  train?: Record<string, unknown>
  file?(): string | undefined
}

const cifar = () => sharedData('cifar10-12k') && join(sharedData('cifar10-12k')!, 'cifar10')
const spoken = () => sharedData('spoken-digits') && join(sharedData('spoken-digits')!, 'spoken-digits', 'recordings')
const augment = ['flip', 'padded-crop']

/** Short trainings: what is asked is what a format costs, not how good a network can get. */
const RECIPES: readonly Recipe[] = [
  {
    name: 'mnist-burn-cnn',
    data: digits,
    bound: 0.005,
    file: () => sharedData('models') && join(sharedData('models')!, 'models', 'mnist-burn-cnn.onnx'),
  },
  {
    name: 'resnet-20',
    data: cifar,
    bound: 0.005,
    train: { student: 'resnet-20', epochs: 24, optimizer: 'sgd', lr: 0.05, weightDecay: 5e-4, warmup: 100, augment },
  },
  {
    name: 'mobilenet-v2',
    data: cifar,
    bound: 0.005,
    train: { student: 'mobilenet-v2:0.5', epochs: 10, optimizer: 'sgd', lr: 0.05, weightDecay: 1e-4, warmup: 100, augment },
  },
  {
    name: 'ds-cnn',
    data: spoken,
    bound: 0.005,
    train: { student: 'ds-cnn', steps: 500, optimizer: 'adamw', lr: 2e-3 },
  },
  {
    name: 'vit-tiny',
    data: digits,
    bound: 0.01,
    train: { student: 'vit-tiny?layers=4&width=96&heads=3', steps: 800, optimizer: 'adamw', lr: 1e-3, warmup: 50 },
  },
]

const CONSTRUCTED: readonly Recipe[] = [
  {
    name: 'mobilenet-v2 hostile',
    data: cifar,
    bound: NaN,
    hostile: { from: 'mobilenet-v2', factor: 32, tune: { steps: 150, optimizer: 'sgd', lr: 0.02, weightDecay: 1e-4, warmup: 10 } },
  },
  { name: 'resnet-20 hostile', data: cifar, bound: NaN, hostile: { from: 'resnet-20', factor: 3 } },
]

/**
 * The study's models; those that are not in the cache folder are trained into it.
 * @param only names; all where absent
 * @param known leaves out what would have to be made
 */
export async function studyModels(
  cache: string,
  only: readonly string[] | undefined,
  threads?: number,
  known = false,
): Promise<StudyModel[]> {
  mkdirSync(cache, { recursive: true })
  const out: StudyModel[] = []
  for (const { name, data, bound, train, file, hostile } of [...RECIPES, ...CONSTRUCTED]) {
    if (only && !only.includes(name)) continue
    const place = data()
    const path = file ? file() : join(cache, `${name.replace(' ', '-')}.onnx`)
    if (place === undefined || path === undefined || (known && !existsSync(path))) continue
    if (train && !existsSync(path)) await trainInto(path, place, train, threads)
    if (hostile) {
      const [from] = await studyModels(cache, [hostile.from], threads)
      if (!from) continue
      const source = hostile.tune ? `${path}.tuned` : from.file
      if (hostile.tune && !existsSync(source)) {
        await withoutEnds(from.file, `${path}.open.onnx`)
        await trainInto(source, place, { student: `${path}.open.onnx`, ...hostile.tune }, threads)
      }
      await hostileModel(source, path, hostile.factor)
    }
    out.push({ name, file: path, data: place, bound })
  }
  return out
}

async function trainInto(path: string, data: string, input: Record<string, unknown>, threads: number | undefined): Promise<void> {
  const out = `${path}.run`
  const dispatcher = makeDispatcher(handlers)
  const run = makeClient(['train'], inProcess(dispatcher))
  process.stderr.write(`training ${basename(path)}\n`)
  const result = await run.train({
    data, ...input, seed: 0, evalEvery: 1e6, overwrite: true, out, store: `${path}.db`, ...(threads ? { threads } : {}),
  } as Parameters<typeof run.train>[0]) // prettier-ignore
  dispatcher.close()
  process.stderr.write(`${JSON.stringify(result.metrics).slice(0, 300)}\n`)
  // Under its name only when it is whole: a training that was stopped is made again.
  copyFileSync(join(out, 'model.onnx'), `${path}.new`)
  renameSync(`${path}.new`, path)
}

/** The MNIST test images in a folder of their own. */
function digits(): string | undefined {
  const files = ['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz'].map(sharedData)
  if (files.some((f) => !f)) return undefined
  const folder = join(tmpdir(), 'stillroom-digits')
  mkdirSync(folder, { recursive: true })
  for (const file of files as string[])
    if (!existsSync(join(folder, basename(file)))) copyFileSync(file, join(folder, basename(file)))
  return folder
}
