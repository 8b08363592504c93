/** Training with batches made in line and on a thread of their own: steps a second, and the share of the time that steps wait for data. */
import { createHash } from 'node:crypto'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { median, ratioOf } from '../engine/benchmark/index.ts'
import { defaultPreprocess, makeSplits, openDataSet } from '../engine/data/index.ts'
import { blockSize, physicalCores } from '../engine/session/index.ts'
import { buildTemplate } from '../engine/students/index.ts'
import { augmentOf, fit, toNet, type Fit, type FitOptions } from '../engine/train/index.ts'

export const title = 'Data loading beside the step: in line and on a thread of its own'
export const help =
  '--data builtin:shapes?samples=2000&size=32 --augment padded-crop,flip,colour-jitter --student resnet-8:0.5 --steps 60 --batch 64 --rounds 5 --threads 2; 3 minutes'

/** Largest share of the time that steps may wait for data on a thread. */
const GOAL = { waiting: 0.05 }

const MODES = ['off', 'on'] as const
type Mode = (typeof MODES)[number]
const NAMES: Record<Mode, string> = { off: 'in line', on: 'on a thread' }

export default async function bench(argv: readonly string[]) {
  const { values: o } = parseArgs({
    args: [...argv],
    options: {
      data: { type: 'string' },
      augment: { type: 'string' },
      student: { type: 'string' },
      steps: { type: 'string' },
      batch: { type: 'string' },
      rounds: { type: 'string' },
      threads: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const data = o.data ?? 'builtin:shapes?samples=2000&size=32'
  const augment = (o.augment ?? 'padded-crop,flip,colour-jitter').split(',').filter(Boolean)
  const student = o.student ?? 'resnet-8:0.5'
  const [steps, batch, rounds] = [Number(o.steps ?? 60), Number(o.batch ?? 64), Number(o.rounds ?? 5)]
  const threads = Number(o.threads ?? physicalCores())
  const run = await trainer({ data, augment, student, steps, batch, threads })
  const found: Record<Mode, Fit[]> = { off: [], on: [] }
  const digests = new Set<string>()
  // The first round warms files and kernels.
  for (let round = -1; round < rounds; round++)
    for (const mode of MODES) {
      const result = await run(mode)
      if (threads === 1) digests.add(digest(result))
      if (round >= 0) found[mode].push(result)
    }
  const rows = MODES.map((mode) => ({
    name: NAMES[mode],
    stepsPerSecond: median(found[mode].map((f) => f.stepsPerSecond)),
    waiting: median(found[mode].map((f) => f.waited / f.seconds)),
    waitedMs: median(found[mode].map((f) => (1000 * f.waited) / f.steps)),
  }))
  const ratio = ratioOf(
    found.off.map((f) => f.seconds),
    found.on.map((f) => f.seconds),
  )
  const text = [
    '| batches | steps a second | waiting for data | of each step, ms |',
    '| --- | --- | --- | --- |',
    ...rows.map(
      (r) => `| ${r.name} | ${r.stepsPerSecond.toFixed(2)} | ${(100 * r.waiting).toFixed(1)} % | ${r.waitedMs.toFixed(2)} |`,
    ),
    '',
    `Time of a run on a thread over in line: ${ratio.median.toFixed(2)} [${ratio.ci95.map((v) => v.toFixed(2)).join(', ')}].`,
    `${steps} steps of ${batch}, ${student}, ${augment.join(', ') || 'no augmentation'}, ${data}; the first epoch reads and decodes.`,
    `${threads} threads, ${cpus()[0]?.model.trim()}.`,
  ].join('\n')
  const differs = digests.size > 1
  if (differs) throw new Error('the weights depend on where the batches were made')
  return {
    json: { rows, ratio, goal: GOAL, threads, steps, batch, data, augment, student },
    text,
    missed: rows[1]!.waiting > GOAL.waiting,
  }
}

function digest({ weights }: Fit): string {
  const hash = createHash('sha256')
  for (const [name, data] of weights) hash.update(name).update(data.bytes)
  return hash.digest('hex')
}

interface Given {
  data: string
  augment: readonly string[]
  student: string
  steps: number
  batch: number
  threads: number
}

/** Trains from the same start each time, with decoded samples forgotten in between. */
async function trainer(g: Given): Promise<(ahead: Mode) => Promise<Fit>> {
  const dataset = await openDataSet(g.data)
  const [height = 1, width = 1, channels = 1] = dataset.sample.shape
  const net = toNet(
    buildTemplate(g.student, { input: [channels, height, width], classes: dataset.classes!.length, seed: 1 }),
    'logits',
  )
  const options: FitOptions = {
    student: net,
    teacher: undefined,
    samples: { dataset, preprocess: defaultPreprocess(dataset) },
    splits: makeSplits(dataset, { seed: 1 }),
    classes: dataset.classes!.length,
    labelled: true,
    methods: [],
    steps: g.steps,
    batch: g.batch,
    lr: 0.01,
    optimizer: 'adamw',
    momentum: 0.9,
    weightDecay: 0.01,
    schedule: 'cosine',
    warmup: 0,
    accumulate: 1,
    labelSmoothing: 0,
    augment: g.augment.map(augmentOf),
    evalEvery: 0,
    checkpointEvery: Infinity,
    seed: 1,
    threads: g.threads,
    provider: 'cpu',
    target: { provider: 'cpu', block: await blockSize() },
    on: {},
  }
  return (ahead) => fit({ ...options, ahead })
}
