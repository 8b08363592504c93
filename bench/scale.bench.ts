/** How reading, verifying, inferring, differentiating, optimising and writing a training graph grow with its size. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { exponent } from './scale/graphs.ts'

export const title = 'Compile time and memory of training graphs of 1,000 to 30,000 nodes'
export const help = '--sizes 1000,3000,10000,30000 --repeat 3 --no-session (skip ONNX Runtime); 3 minutes'

interface Point {
  nodes: number
  problems: number
  bytes: number
  /** MiB. */
  peak: number
  stages: Record<string, { wall: number; cpu: number }>
}

const OURS = ['read', 'verify', 'infer', 'differentiate', 'optimise', 'write'] as const
/** A training graph of 10,000 nodes in this many milliseconds and MiB, on 2 cores. */
const GOAL = { nodes: 10_000, wall: 3000, peak: 1024 }

export default async function bench(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: {
      sizes: { type: 'string' },
      repeat: { type: 'string' },
      'no-session': { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const sizes = (args.sizes ?? '1000,3000,10000,30000').split(',').map(Number)
  const points = sizes.map((n) =>
    best(Array.from({ length: Number(args.repeat ?? 3) }, (_, i) => measure(n, !args['no-session'] && i === 0))),
  )
  const total = (p: Point, clock: 'wall' | 'cpu') => OURS.reduce((s, name) => s + p.stages[name]![clock], 0)
  const growth = (y: (p: Point) => number) => exponent(points.map((p) => [p.nodes, y(p)]))
  const sessions = Object.keys(points[0]!.stages).filter((name) => name.startsWith('session'))
  const rows: [string, (p: Point) => number][] = [
    ...OURS.map((name): [string, (p: Point) => number] => [name, (p) => p.stages[name]!.cpu]),
    ['all, CPU ms', (p) => total(p, 'cpu')],
    ['all, wall ms', (p) => total(p, 'wall')],
    ['peak MiB', (p) => p.peak],
    ...sessions.map((name): [string, (p: Point) => number] => [`ONNX Runtime ${name}, wall ms`, (p) => p.stages[name]!.wall]),
  ]
  const json = {
    points,
    exponents: Object.fromEntries(rows.map(([name, y]) => [name, growth(y)])),
    goal: GOAL,
  }
  const head = ['', ...points.map((p) => `${p.nodes} nodes`), 'exponent']
  const text = [
    `| ${head.join(' | ')} |`,
    `| ${head.map(() => '---').join(' | ')} |`,
    ...rows.map(([name, y]) => `| ${[name, ...points.map((p) => y(p).toFixed(0)), growth(y).toFixed(2)].join(' | ')} |`),
    '',
    'Stages in ms of CPU time, the best of the repeats; memory of the whole process, that of Node (about 60 MiB) included.',
  ].join('\n')
  const judged = points.filter((p) => p.nodes <= 1.3 * GOAL.nodes).at(-1)
  const missed = judged !== undefined && (total(judged, 'wall') > GOAL.wall || judged.peak > GOAL.peak)
  return Promise.resolve({ json, text, missed })
}

function measure(nodes: number, session: boolean): Point {
  const file = join(import.meta.dirname, 'scale', 'compile.ts')
  return JSON.parse(
    execFileSync(process.execPath, [file, String(nodes), ...(session ? ['session'] : [])], { encoding: 'utf8' }),
  ) as Point
}

/** Each stage and the memory at their least: what else runs on the machine only ever adds. */
function best(list: readonly Point[]): Point {
  const [first] = list
  const stages = Object.fromEntries(
    Object.keys(first!.stages).map((name) => {
      const found = list.flatMap((p) => p.stages[name] ?? [])
      return [name, { wall: Math.min(...found.map((s) => s.wall)), cpu: Math.min(...found.map((s) => s.cpu)) }]
    }),
  )
  return { ...first!, stages, peak: Math.min(...list.map((p) => p.peak)) }
}
