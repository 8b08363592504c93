/** What each layout of a training step costs on this machine, and whether they agree. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { median } from '../engine/benchmark/index.ts'
import { blockSize } from '../engine/session/index.ts'
import { batchesOf } from './train/data.ts'
import { openStep, type Stepper } from './train/step.ts'
import { workloads } from './train/workloads.ts'

export const title = 'Training steps in the portable and the blocked layout'
export const help = '--only NAMES --rounds 6 --threads N --cpu (time on the processor); 2 minutes'

/** Steps whose losses are compared, and within what: rounding only, before it grows. */
const AGREE = { steps: 3, within: 1e-3 }
const NAMES = ['cnn5', 'resnet8-kd', 'mobilenet-kd', 'unet-small']

export default async function bench(argv: readonly string[]) {
  const { values: o } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      threads: { type: 'string' },
      cpu: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const probed = await blockSize()
  const threads = Number(o.threads ?? availableParallelism())
  const chosen = o.only?.split(',') ?? NAMES
  const rows = []
  for (const w of workloads.filter((each) => chosen.includes(each.name))) {
    const batches = batchesOf(w)
    // A block size that is not the processor's is silently wrong, so the probed one is the only one beside none.
    const forms: { block: number; stepper: Stepper; losses: number[]; ms: number[] }[] = []
    for (const block of probed > 1 ? [1, probed] : [1])
      forms.push({ block, stepper: await openStep(w, batches, { block, threads, tune: false }), losses: [], ms: [] })
    for (let round = 0; round < AGREE.steps + Number(o.rounds ?? 6); round++)
      for (const form of forms) {
        const [from, work] = [performance.now(), process.cpuUsage()]
        form.losses.push(await form.stepper.step())
        const { user, system } = process.cpuUsage(work)
        if (round >= AGREE.steps) form.ms.push(o.cpu ? (user + system) / 1000 : performance.now() - from)
      }
    for (const { stepper } of forms) await stepper.release()
    const [plain, blocked] = forms
    const apart = plain!.losses.slice(0, AGREE.steps).map((v, i) => Math.abs(v - (blocked ?? plain!).losses[i]!) / Math.abs(v))
    rows.push({
      name: w.name,
      forms: forms.map(({ block, ms, stepper }) => ({
        block,
        ms: median(ms),
        best: Math.min(...ms),
        nodes: stepper.program.model.graph.nodes.length,
      })),
      apart: Math.max(...apart),
    })
  }
  const text = [
    '| training step | portable, ms | blocked, ms | blocked / portable | losses differ by |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map(({ name, forms: [plain, blocked], apart }) => {
      const ms = (f: typeof plain) => (f ? `${f.ms.toFixed(1)} / ${f.best.toFixed(1)}` : 'not here')
      const ratio = blocked ? (blocked.ms / plain!.ms).toFixed(2) : ''
      return `| ${[name, ms(plain), ms(blocked), ratio, apart.toExponential(1)].join(' | ')} |`
    }),
    '',
    `Median / best; blocks of ${probed} channels, probed; ${threads} threads${o.cpu ? ', time on the processor' : ''}.`,
  ].join('\n')
  return { json: { block: probed, threads, workloads: rows, agree: AGREE }, text, missed: rows.some((r) => r.apart > AGREE.within) }
}
