/** Whole training steps with the update in place and in the graph, in turn: what decides where a run updates its parameters. */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { median, ratioOf } from '../engine/benchmark/index.ts'
import { blockSize, nativeStatus } from '../engine/session/index.ts'
import type { UpdatePlace } from '../engine/train/index.ts'
import { batchesOf } from './train/data.ts'
import { openStep } from './train/step.ts'
import { workloads, type Workload } from './train/workloads.ts'

export const title = 'Training steps with the update in place and in the graph'
export const help =
  '--only mlp,cnn5,vit-tiny --rounds 9 --threads 2 --cpu (time on the processor: with 1 thread, fit for a busy machine); 2 minutes'

const PLACES: readonly UpdatePlace[] = ['graph', 'native']
/** A side's turn takes about this long, ms. */
const TURN = 400

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
  if (!nativeStatus().used) return { json: nativeStatus(), text: `The native addon is ${nativeStatus().text}.`, missed: true }
  const names = o.only?.split(',')
  const settings = { rounds: Number(o.rounds ?? 9), threads: Number(o.threads ?? 2), cpu: o.cpu ?? false }
  const rows = []
  for (const w of workloads) if (!names || names.includes(w.name)) rows.push(await measure(w, settings))
  const text = [
    '| training step | parameters | in the graph, ms median / best | in place | in place over graph, 95 % |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map(({ name, parameters, graph, native, ratio }) => {
      const ms = [graph, native].map((s) => `${s.median.toFixed(2)} / ${s.best.toFixed(2)}`)
      const cells = [name, parameters, ...ms, `${ratio.median.toFixed(2)} [${ratio.ci95.map((v) => v.toFixed(2)).join(', ')}]`]
      return `| ${cells.join(' | ')} |`
    }),
    '',
    `${settings.threads} threads${settings.cpu ? ', time on the processor' : ''}; ${cpus()[0]?.model.trim()}, Node ${process.version}.`,
  ].join('\n')
  return { json: { rows, ...settings }, text }
}

const spread = (ms: readonly number[]) => ({ median: median(ms), best: Math.min(...ms) })

async function measure(w: Workload, s: { rounds: number; threads: number; cpu: boolean }) {
  const batches = batchesOf(w)
  const block = await blockSize()
  // The same forms of operators on both sides.
  const sides = await Promise.all(PLACES.map((update) => openStep(w, batches, { block, threads: s.threads, update, tune: false })))
  const count = sides.map(() => 0)
  const times: number[][][] = sides.map(() => [])
  for (let round = -1; round < s.rounds; round++)
    for (const [i, side] of sides.entries()) {
      const ms: number[] = []
      for (let k = 0; k < (round < 0 ? 4 : count[i]!); k++) {
        const [from, work] = [performance.now(), process.cpuUsage()]
        await side.step()
        const { user, system } = process.cpuUsage(work)
        ms.push(s.cpu ? (user + system) / 1000 : performance.now() - from)
      }
      if (round < 0) count[i] = Math.max(3, Math.min(200, Math.round(TURN / Math.min(...ms))))
      else times[i]!.push(ms)
    }
  const parameters = [...sides[0]!.program.state].reduce(
    (n, [name, { dims }]) => n + (name.startsWith('param/') ? dims.reduce((p, d) => p * d, 1) : 0),
    0,
  )
  for (const side of sides) await side.release()
  const [graph, native] = times.map((rounds) => rounds.map((ms) => median(ms)))
  return {
    name: w.name,
    parameters,
    graph: spread(times[0]!.flat()),
    native: spread(times[1]!.flat()),
    ratio: ratioOf(graph!, native!),
  }
}
