/** Memory and time of a training step that keeps the forward pass, and of one that computes it again in segments. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { exponent } from './scale/graphs.ts'

export const title = 'Peak memory of deep nets with and without recomputing the forward pass'
export const help = '--depths 32,128,512,1024; 1 minute'

interface Point {
  depth: number
  nodes: number
  /** MiB above what the process had before the step. */
  peak: number
  /** ms. */
  cpu: number
}

export default async function bench(argv: readonly string[]) {
  const { values: args } = parseArgs({ args: [...argv], options: { depths: { type: 'string' }, json: { type: 'boolean' } } })
  const depths = (args.depths ?? '32,128,512,1024').split(',').map(Number)
  const measure = (mode: string) =>
    depths.map((depth) => {
      const file = join(import.meta.dirname, 'scale', 'memory.ts')
      return JSON.parse(execFileSync(process.execPath, [file, String(depth), mode], { encoding: 'utf8' })) as Point
    })
  const [plain, again] = [measure('plain'), measure('recompute')]
  const growth = (list: readonly Point[]) => exponent(list.map((p) => [p.depth, p.peak]))
  const json = { plain, recompute: again, exponents: { plain: growth(plain), recompute: growth(again) } }
  const row = (name: string, list: readonly Point[], y: (p: Point) => number, last: string) =>
    `| ${[name, ...list.map((p) => y(p).toFixed(0)), last].join(' | ')} |`
  const text = [
    `| depth | ${depths.join(' | ')} | exponent |`,
    `| --- | ${depths.map(() => '---').join(' | ')} | --- |`,
    row('kept, MiB', plain, (p) => p.peak, growth(plain).toFixed(2)),
    row('recomputed, MiB', again, (p) => p.peak, growth(again).toFixed(2)),
    row('kept, CPU ms', plain, (p) => p.cpu, ''),
    row('recomputed, CPU ms', again, (p) => p.cpu, ''),
  ].join('\n')
  return Promise.resolve({ json, text, missed: growth(again) > 0.65 })
}
