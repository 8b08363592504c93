/** Training steps beside PyTorch: the same weights, data and losses, in turn. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { median, ratioOf } from '../engine/benchmark/index.ts'
import { encodeNpz } from './npz.ts'
import { arraysOf, batchesOf } from './train/data.ts'
import type { UpdatePlace } from '../engine/train/index.ts'
import { startSide, type Answer, type Side } from './train/side.ts'
import { workloads, type Workload } from './train/workloads.ts'

export const title = 'Training steps beside PyTorch, in turn'
export const help =
  '--python FILE (an interpreter with PyTorch; or STILLROOM_PYTHON) --only NAMES --rounds 7 --threads 2 --check (compare losses) --block N (1: portable) --update graph --tune off --compile --cpu (time on the processor: with 1 thread, fit for a busy machine); 5 minutes'

/** Largest mean of our time over the peer's: over all, over the distilled convolutional ones, and of each. */
const GOAL = { all: 0.95, distilled: 0.85, each: 1.25 }
/** Largest relative difference of a loss, and over how many steps. */
const AGREE = { within: 1e-3, steps: 50 }
/** A side's turn takes about this long, ms. */
const TURN = 600

interface Row {
  name: string
  batch: number
  nodes: number
  oursMs: Spread
  peerMs?: Spread
  ratio?: { median: number; ci95: [number, number] }
  peakBytes: { ours: number; peer?: number }
  baseBytes: { ours: number; peer?: number }
  how?: unknown
  /** Largest relative difference of a loss. */
  losses?: number
}
interface Spread {
  median: number
  best: number
}

const spread = (ms: readonly number[]): Spread => ({ median: median(ms), best: Math.min(...ms) })
const geometric = (list: readonly number[]): number => Math.exp(list.reduce((s, v) => s + Math.log(v), 0) / list.length)

export default async function bench(argv: readonly string[]) {
  const { values: o } = parseArgs({
    args: [...argv],
    options: {
      python: { type: 'string' },
      only: { type: 'string' },
      rounds: { type: 'string' },
      threads: { type: 'string' },
      block: { type: 'string' },
      update: { type: 'string' },
      tune: { type: 'string' },
      check: { type: 'boolean' },
      compile: { type: 'boolean' },
      cpu: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const python = o.python ?? process.env.STILLROOM_PYTHON
  const names = o.only?.split(',')
  const chosen = workloads.filter((w) => (names ? names.includes(w.name) : !o.check || w.checked))
  const settings = {
    python,
    rounds: Number(o.rounds ?? 7),
    threads: o.threads ?? '2',
    block: o.block === undefined ? undefined : Number(o.block),
    update: o.update as UpdatePlace | undefined,
    tune: o.tune !== 'off',
    check: o.check ?? false,
    compile: o.compile ?? false,
    cpu: o.cpu ?? false,
  }
  const rows: Row[] = []
  let versions: Record<string, unknown> = {}
  for (const w of chosen) {
    const { row, peer } = await measure(w, settings)
    rows.push(row)
    versions = { ...versions, ...peer }
    process.stderr.write(`${line(row)}\n`)
  }
  const { default: manifest } = (await import('onnxruntime-node/package.json', { with: { type: 'json' } })) as {
    default: { version: string }
  }
  versions = { node: process.version, onnxruntime: manifest.version, ...versions }
  const ratios = (only: (w: Workload) => boolean) =>
    chosen.flatMap((w, i) => (only(w) && rows[i]!.ratio ? [rows[i]!.ratio.median] : []))
  const all = ratios(() => true)
  const distilled = ratios((w) => w.distilled ?? false)
  const means = {
    ...(all.length ? { all: geometric(all) } : {}),
    ...(distilled.length ? { distilled: geometric(distilled) } : {}),
  }
  const cpu = `${cpus()[0]?.model.trim() ?? ''}, ${settings.threads} threads`
  const failed = {
    all: (means.all ?? 0) > GOAL.all,
    distilled: (means.distilled ?? 0) > GOAL.distilled,
    each: all.some((r) => r > GOAL.each),
    memory: rows.some((r) => r.peakBytes.ours > (r.peakBytes.peer ?? Infinity)),
    losses: rows.some((r) => (r.losses ?? 0) > AGREE.within),
  }
  const text = [
    '| training step | batch | ours, ms median / best | PyTorch, ms | ratio, 95 % | peak MiB ours / PyTorch | of which the training | losses differ by |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(line),
    '',
    `Geometric mean of the ratios: ${means.all?.toFixed(2) ?? 'no peer'}; distilled convolutional: ${means.distilled?.toFixed(2) ?? 'none'}.`,
    `${cpu}; ${Object.entries(versions).map(([k, v]) => `${k} ${String(v)}`).join(', ')}.`, // prettier-ignore
  ].join('\n')
  return {
    json: { versions, cpu, workloads: rows, means, goal: GOAL, agree: AGREE, failed },
    text,
    missed: python !== undefined && Object.values(failed).some(Boolean),
  }
}

const MIB = 1024 ** 2
function line(r: Row): string {
  const ms = (s: Spread | undefined) => (s ? `${s.median.toFixed(1)} / ${s.best.toFixed(1)}` : '')
  const ratio = r.ratio ? `${r.ratio.median.toFixed(2)} [${r.ratio.ci95.map((v) => v.toFixed(2)).join(', ')}]` : ''
  const mib = (b: number | undefined) => (b === undefined ? '' : (b / MIB).toFixed(0))
  const peak = `${mib(r.peakBytes.ours)} / ${mib(r.peakBytes.peer)}`
  const grown = `${mib(r.peakBytes.ours - r.baseBytes.ours)} / ${mib(r.peakBytes.peer === undefined ? undefined : r.peakBytes.peer - (r.baseBytes.peer ?? 0))}`
  return `| ${[r.name, r.batch, ms(r.oursMs), ms(r.peerMs), ratio, peak, grown, r.losses?.toExponential(1) ?? ''].join(' | ')} |`
}

interface Settings {
  python: string | undefined
  rounds: number
  threads: string
  block: number | undefined
  update: UpdatePlace | undefined
  tune: boolean
  check: boolean
  compile: boolean
  /** Time on the processor instead of the clock's. */
  cpu: boolean
}

/** One workload on both sides. Memory is each process's own; the peer stays away where no interpreter is given. */
async function measure(w: Workload, s: Settings): Promise<{ row: Row; peer: Record<string, unknown> }> {
  const folder = mkdtempSync(join(tmpdir(), 'stillroom-bench-'))
  const sides: Side[] = []
  try {
    const options = JSON.stringify({ threads: Number(s.threads), block: s.block, update: s.update, tune: s.tune })
    const ours = await startSide(process.execPath, [join(import.meta.dirname, 'train', 'ours.ts'), w.name, options])
    sides.push(ours)
    if (s.python) {
      writeFileSync(join(folder, 'arrays.npz'), encodeNpz(arraysOf(w, batchesOf(w))))
      const { student: _, teacher, inputs, ...rest } = w
      const job = { ...rest, inputs: inputs.map((i) => i.name), distilled: teacher !== undefined, compile: s.compile }
      writeFileSync(join(folder, 'job.json'), JSON.stringify(job))
      const script = join(import.meta.dirname, 'peers', 'train.py')
      sides.push(await startSide(s.python, [script, folder, s.threads], { OMP_NUM_THREADS: s.threads, MKL_NUM_THREADS: s.threads }))
    }
    const times: number[][][] = sides.map(() => [])
    const firstLosses: number[][] = []
    let last: Answer[] = []
    // The first steps: warm-up, and where asked for the losses.
    for (const side of sides) {
      const answer = await side.steps(s.check ? AGREE.steps : 4)
      firstLosses.push(answer.losses)
      last.push(answer)
    }
    const turn = last.map((a) => Math.max(2, Math.min(200, Math.round(TURN / median(a.ms.slice(1))))))
    for (let round = 0; round < (s.check ? 1 : s.rounds); round++) {
      last = []
      for (const [i, side] of sides.entries()) {
        const answer = await side.steps(turn[i]!)
        times[i]!.push(s.cpu ? answer.cpu : answer.ms)
        last.push(answer)
      }
    }
    const [mine, theirs] = times
    const rounds = (list: number[][]) => list.map((ms) => median(ms))
    const [a, b] = firstLosses
    const row: Row = {
      name: w.name,
      batch: w.batch,
      nodes: Number(ours.about.nodes),
      oursMs: spread(mine!.flat()),
      peakBytes: { ours: last[0]!.peak },
      baseBytes: { ours: last[0]!.base },
    }
    if (theirs && b) {
      row.peerMs = spread(theirs.flat())
      row.ratio = ratioOf(rounds(theirs), rounds(mine!))
      row.peakBytes.peer = last[1]!.peak
      row.baseBytes.peer = last[1]!.base
      row.how = sides[1]!.about.how
      if (s.check) row.losses = Math.max(...a!.map((v, i) => Math.abs(v - b[i]!) / Math.abs(b[i]!)))
    }
    return { row, peer: (sides[1]?.about.versions ?? {}) as Record<string, unknown> }
  } finally {
    await Promise.allSettled(sides.map((side) => side.close()))
    rmSync(folder, { recursive: true, force: true })
  }
}
