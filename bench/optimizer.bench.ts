/** AdamW over many parameters: in place by the native addon, in a graph, and beside a copy of as many bytes, in turn. */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { median, ratioOf } from '../engine/benchmark/index.ts'
import { newBuilder, type Tensor } from '../engine/ops/index.ts'
import { findOptimizer, optimizerStep, parseOptions } from '../engine/optim/index.ts'
import { createSession, nativeAddon, nativeStatus, physicalCores, Value } from '../engine/session/index.ts'

export const title = 'AdamW in place and in the graph beside a copy of the same bytes'
export const help = '--millions 5,50 --tensors 20 --rounds 9 --threads 2; 2 minutes'

/** Largest time in place over that of the copy, for this many millions of parameters. */
const GOAL = { millions: 5, ratio: 1.6 }
/** A step reads parameter, gradient and two moments and writes all but the gradient: seven floats for each parameter. */
const FLOATS = 7
/** A side's turn takes about this long, ms. */
const TURN = 300

interface Side {
  name: string
  step(): Promise<void> | void
}

interface Row {
  name: string
  ms: { median: number; best: number }
  gbPerSecond: number
  ratio?: { median: number; ci95: [number, number] }
}

export default async function bench(argv: readonly string[]) {
  const { values: o } = parseArgs({
    args: [...argv],
    options: {
      millions: { type: 'string' },
      tensors: { type: 'string' },
      rounds: { type: 'string' },
      threads: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const [tensors, rounds, threads] = [Number(o.tensors ?? 20), Number(o.rounds ?? 9), Number(o.threads ?? physicalCores())]
  if (!nativeAddon()) return { json: { native: nativeStatus() }, text: `The native addon is ${nativeStatus().text}.`, missed: true }
  const sizes: { millions: number; rows: Row[] }[] = []
  for (const millions of (o.millions ?? '5,50').split(',').map(Number))
    sizes.push({ millions, rows: await measure(millions * 1e6, { tensors, rounds, threads }) })
  const judged = sizes.find((s) => s.millions === GOAL.millions)
  const missed = judged !== undefined && judged.rows.find((r) => r.name === IN_PLACE)!.ratio!.median > GOAL.ratio
  const text = [
    '| AdamW | parameters | ms median / best | GB/s | time over the copy, 95 % |',
    '| --- | --- | --- | --- | --- |',
    ...sizes.flatMap(({ millions, rows }) => rows.map((r) => line(millions, r))),
    '',
    `${tensors} tensors, ${threads} threads, ${nativeAddon()!.isas.at(-1)}; ${cpus()[0]?.model.trim()}, Node ${process.version}.`,
    `The copy moves as many bytes as the update must: ${4 * FLOATS} for each parameter, half read and half written. GB/s count those.`,
  ].join('\n')
  return {
    json: { sizes, goal: GOAL, threads, tensors, isa: nativeAddon()!.isas.at(-1), cpu: cpus()[0]?.model.trim() },
    text,
    missed,
  }
}

const COPY = 'copy of the same bytes'
const IN_PLACE = 'in place, native'

const line = (millions: number, r: Row): string =>
  `| ${[
    r.name,
    `${millions} M`,
    `${r.ms.median.toFixed(2)} / ${r.ms.best.toFixed(2)}`,
    r.gbPerSecond.toFixed(1),
    r.ratio ? `${r.ratio.median.toFixed(2)} [${r.ratio.ci95.map((v) => v.toFixed(2)).join(', ')}]` : '1',
  ].join(' | ')} |`

interface Settings {
  tensors: number
  rounds: number
  threads: number
}

/** Each side in turns of some steps, so that what else the machine does falls on all of them. */
async function measure(parameters: number, s: Settings): Promise<Row[]> {
  const sides = await sidesOf(parameters, s)
  const count = sides.list.map(() => 0)
  const times: number[][][] = sides.list.map(() => [])
  for (let round = -1; round < s.rounds; round++)
    for (const [i, side] of sides.list.entries()) {
      const ms: number[] = []
      for (let k = 0; k < (round < 0 ? 3 : count[i]!); k++) {
        const from = performance.now()
        await side.step()
        ms.push(performance.now() - from)
      }
      if (round < 0) count[i] = Math.max(3, Math.min(100, Math.round(TURN / Math.min(...ms))))
      else times[i]!.push(ms)
    }
  await sides.release()
  const rounds = (i: number) => times[i]!.map((ms) => median(ms))
  return sides.list.map(({ name }, i) => {
    const all = times[i]!.flat()
    const [middle, best] = [median(all), Math.min(...all)]
    const row: Row = { name, ms: { median: middle, best }, gbPerSecond: (4 * FLOATS * parameters) / middle / 1e6 }
    return i === 0 ? row : { ...row, ratio: ratioOf(rounds(0), rounds(i)) }
  })
}

async function sidesOf(parameters: number, { tensors, threads }: Settings): Promise<{ list: Side[]; release(): Promise<void> }> {
  const addon = nativeAddon()!
  const n = Math.round(parameters / tensors)
  const fresh = (scale: number) => Array.from({ length: tensors }, (_, k) => wave(n, scale, k))
  const optimizer = findOptimizer('adamw')
  const options = parseOptions(optimizer)
  const [grads, params, m, v] = [fresh(0.01), fresh(1), fresh(0), fresh(0)]
  const decays = new Float32Array(tensors).fill(0.01)
  let t = 0
  const native = (given: readonly Float32Array[]) => {
    const { first, second } = optimizer.hostScalars!(t++, options) as { first: number; second: number }
    addon.update({ ...optimizer.kernel!(options), params, grads: given, m, v, decays, lr: 1e-3, first, second, threads })
  }

  const half = (FLOATS * n * tensors) / 2
  const [from, to] = [new Float32Array(half).fill(1), new Float32Array(half)]
  const piece = fastestPiece((bytes) => addon.copy(to, from, threads, bytes), Math.ceil((4 * half) / threads))
  const graph = await inGraph(tensors, n, threads, grads)
  const gradients = await asOutputs(tensors, n, threads, grads)
  return {
    list: [
      { name: COPY, step: () => addon.copy(to, from, threads, piece) },
      { name: IN_PLACE, step: () => native(grads) },
      {
        name: 'in place, with the gradients leaving a graph',
        async step() {
          const out = await gradients.step()
          native(out.map((value) => value.data as Float32Array))
          for (const value of out) value.dispose()
        },
      },
      { name: 'in the graph', step: graph.step },
    ],
    release: async () => void (await Promise.all([graph.release(), gradients.release()])),
  }
}

/** Whether the machine copies faster in pieces that fit a cache or in one stretch for each thread: the bound is to be the better one. */
function fastestPiece(copy: (bytes: number) => void, stretch: number): number {
  const timed = [2 ** 18, 2 ** 21, stretch].map((bytes) => {
    const ms = Array.from({ length: 12 }, () => {
      const from = performance.now()
      copy(bytes)
      return performance.now() - from
    })
    return { bytes, ms: Math.min(...ms) }
  })
  return timed.sort((a, b) => a.ms - b.ms)[0]!.bytes
}

/** Numbers that are neither all the same nor slow to make by the hundred millions. */
function wave(n: number, scale: number, phase: number): Float32Array {
  const out = new Float32Array(n)
  const period = Math.min(n, 8192)
  for (let i = 0; i < period; i++) out[i] = scale * Math.sin(i + phase)
  for (let done = period; done < n; done *= 2) out.copyWithin(done, 0, Math.min(done, n - done))
  return out
}

/** The optimizer as a graph of its own; its state goes round as in training. */
async function inGraph(tensors: number, n: number, threads: number, grads: readonly Float32Array[]) {
  const optimizer = findOptimizer('adamw')
  const options = parseOptions(optimizer)
  const b = newBuilder()
  const input = (what: string) => Array.from({ length: tensors }, (_, k) => b.input(`${what}${k}`, 'float32', [n]))
  const [p, g, m, v] = [input('p'), input('g'), input('m'), input('v')]
  const scalars = { first: b.input('first', 'float32', []), second: b.input('second', 'float32', []) }
  const list = p.map((t, k) => ({ p: t, g: g[k]!, slots: { m: m[k]!, v: v[k]! }, decay: true }))
  const { updates } = optimizerStep(optimizer, options, list, { lr: b.input('lr', 'float32', []), scalars })
  const outputs: Record<string, Tensor> = {}
  updates.forEach((u, k) => Object.assign(outputs, { [p[k]!.name]: u.p, [m[k]!.name]: u.slots.m!, [v[k]!.name]: u.slots.v! }))
  const next = Object.fromEntries(Object.entries(outputs).map(([name, t]) => [`next/${name}`, t]))
  const session = await createSession(b.model(next), { threads })
  let state: Record<string, Value> = Object.fromEntries(
    [...p, ...m, ...v].map((t) => [t.name, Value.of('float32', [n], new Float32Array(n))]),
  )
  const fixed = Object.fromEntries(g.map((t, k) => [t.name, Value.of('float32', [n], grads[k]!)]))
  let at = 0
  const step = async () => {
    const now = { lr: 1e-3, ...optimizer.hostScalars!(at++, options) }
    const fed = Object.entries(now).map(([name, value]) => [name, Value.from('float32', [], [value])] as const)
    const out = await session.run({ ...fixed, ...state, ...Object.fromEntries(fed) })
    for (const value of Object.values(state)) value.dispose()
    state = Object.fromEntries(Object.keys(state).map((name) => [name, out[`next/${name}`]!]))
  }
  return { step, release: () => session.release() }
}

/** A graph that gives gradients as outputs, each by one product: what crosses its boundary in training, and that product. */
async function asOutputs(tensors: number, n: number, threads: number, grads: readonly Float32Array[]) {
  const b = newBuilder()
  const inputs = grads.map((_, k) => b.input(`g${k}`, 'float32', [n]))
  const scale = b.input('scale', 'float32', [])
  const session = await createSession(b.model(Object.fromEntries(inputs.map((t, k) => [`y${k}`, t.mul(scale)]))), { threads })
  const feeds = Object.fromEntries(inputs.map((t, k) => [t.name, Value.of('float32', [n], grads[k]!)]))
  const one = Value.from('float32', [], [1])
  const step = async () => {
    const out = await session.run({ ...feeds, scale: one })
    return grads.map((_, k) => out[`y${k}`]!)
  }
  return { step, release: () => session.release() }
}
