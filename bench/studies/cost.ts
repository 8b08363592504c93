/** How the cost of a training step grows with batch, width and depth. */
import { parseArgs } from 'node:util'
import { median } from '../../engine/benchmark/index.ts'
import { blockSize } from '../../engine/session/index.ts'
import { buildTemplate } from '../../engine/students/index.ts'
import { exponent } from '../scale/graphs.ts'
import { batchesOf } from '../train/data.ts'
import { openStep } from '../train/step.ts'
import type { Workload } from '../train/workloads.ts'

export const title = 'Time of a training step against batch, width and depth'
export const help = '--threads 1 --steps 5 --quick (half of the points); 4 minutes'

/** Growth in the batch and the depth is linear within this much; in the width it is at most quadratic. */
const GOAL = { linear: 0.15, width: 2.15 }

type Axis = 'batch' | 'width' | 'depth'
interface Point {
  axis: Axis
  model: string
  at: number
  batch: number
  ms: number
  /** Samples in a second on one core. */
  perCore: number
}

/** AdamW on pictures of 32 x 32 pixels. */
const training = (student: string, batch: number): Workload => ({
  name: student,
  batch,
  inputs: [{ name: 'x', shape: [batch, 3, 32, 32] }],
  task: { kind: 'class' },
  classes: 10,
  optimizer: 'adamw',
  lr: 1e-3,
  student: () => buildTemplate(student, { input: [3, 32, 32], classes: 10, seed: 1 }),
})

const vit = (layers: number, width: number): string => `vit-tiny?layers=${layers}&width=${width}&heads=${width / 32}`
const SWEEPS: { axis: Axis; points: readonly { at: number; student: string; batch: number }[] }[] = [
  { axis: 'batch', points: [16, 32, 64, 128, 256].map((at) => ({ at, student: 'resnet-8', batch: at })) },
  { axis: 'width', points: [1, 2, 4].map((at) => ({ at, student: `resnet-8?width=${at}`, batch: 32 })) },
  { axis: 'depth', points: [8, 14, 20, 32].map((at) => ({ at, student: `resnet-${at}`, batch: 32 })) },
  { axis: 'batch', points: [16, 32, 64, 128, 256].map((at) => ({ at, student: vit(2, 96), batch: at })) },
  { axis: 'width', points: [96, 192, 384].map((at) => ({ at, student: vit(2, at), batch: 16 })) },
  { axis: 'depth', points: [1, 2, 4, 8].map((at) => ({ at, student: vit(at, 96), batch: 32 })) },
]

export default async function study(argv: readonly string[]) {
  const { values: o } = parseArgs({
    args: [...argv],
    options: { threads: { type: 'string' }, steps: { type: 'string' }, quick: { type: 'boolean' }, json: { type: 'boolean' } },
  })
  const threads = Number(o.threads ?? 1)
  const block = await blockSize()
  const sweeps = []
  for (const { axis, points } of SWEEPS) {
    const found: Point[] = []
    for (const { at, student, batch } of o.quick ? points.filter((_, i) => i % 2 === 0) : points) {
      const w = training(student, batch)
      const stepper = await openStep(w, batchesOf(w).slice(0, 2), { block, threads })
      const times: number[] = []
      for (let i = 0; i < Number(o.steps ?? 5) + 2; i++) {
        const [from, work] = [performance.now(), process.cpuUsage()]
        await stepper.step()
        const { user, system } = process.cpuUsage(work)
        // On one thread the time on the processor, which other processes hardly change.
        if (i >= 2) times.push(threads === 1 ? (user + system) / 1000 : performance.now() - from)
      }
      await stepper.release()
      const ms = median(times)
      found.push({ axis, model: student, at, batch, ms, perCore: (1000 * batch) / ms / threads })
    }
    // Small sizes pay for what does not grow: the exponent is that of the upper half.
    const upper = found.slice(-3)
    sweeps.push({ axis, points: found, exponent: exponent(upper.map((p) => [p.at, p.ms])) })
  }
  const missed = sweeps.some((s) => s.exponent > (s.axis === 'width' ? GOAL.width : 1 + GOAL.linear))
  const text = [
    '| axis | model, batch | at | ms a step | samples / s / core | exponent |',
    '| --- | --- | --- | --- | --- | --- |',
    ...sweeps.flatMap((s) =>
      s.points.map((p, i) => {
        const last = i === s.points.length - 1 ? s.exponent.toFixed(2) : ''
        return `| ${[p.axis, `${p.model}, ${p.batch}`, p.at, p.ms.toFixed(1), p.perCore.toFixed(0), last].join(' | ')} |`
      }),
    ),
    '',
    `${threads} thread${threads > 1 ? 's' : ''}; exponents k of ms = c x^k over the three largest points of a sweep.`,
  ].join('\n')
  return { json: { threads, sweeps, goal: GOAL }, text, missed }
}
