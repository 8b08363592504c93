import { spawnSync } from 'node:child_process'
import { mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { intAttr, makeGraph, makeModel, makeNode, TensorData, tensorType } from '../../engine/ir/index.ts'
import { writeModel } from '../../engine/onnx/index.ts'
import { random } from '../../engine/random.ts'

export const title = 'Peak memory of calibrating a 100 MB model with 50 and with 5,000 samples'
export const help = '--few 50 --many 5000 --scheme int8'

/** Allowed growth from few samples to many. */
const BOUND = 1.3
const [SIDE, WIDE, CLASSES] = [144, 5000, 10]

/** Three products, 25 million numbers: 100 MB. */
async function bigModel(path: string): Promise<void> {
  const graph = makeGraph('big')
  const weight = (name: string, rows: number, columns: number) => {
    const data = random(0, 'big', name).fillNormal(new Float32Array(rows * columns), 0, Math.sqrt(2 / columns))
    graph.initializers.set(name, TensorData.of('float32', [rows, columns], data))
    return name
  }
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 1, 12, 12]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', CLASSES]) }]
  const transB = intAttr(1)
  graph.nodes = [
    makeNode('Flatten', ['x'], ['f']),
    makeNode('Gemm', ['f', weight('w0', WIDE, SIDE)], ['h0'], { transB }, { name: 'first' }),
    makeNode('Relu', ['h0'], ['r0']),
    makeNode('Gemm', ['r0', weight('w1', 4850, WIDE)], ['h1'], { transB }, { name: 'second' }),
    makeNode('Relu', ['h1'], ['r1']),
    makeNode('Gemm', ['r1', weight('w2', CLASSES, 4850)], ['y'], { transB }, { name: 'last' }),
  ]
  await writeModel(makeModel(graph, 17), path, { external: 'none' })
}

/** Each number of samples in a process of its own. */
export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: {
      few: { type: 'string' },
      many: { type: 'string' },
      scheme: { type: 'string', multiple: true },
      json: { type: 'boolean' },
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'stillroom-memory-'))
  const model = join(folder, 'big.onnx')
  await bigModel(model)
  const script = join(import.meta.dirname, '..', 'quantization', 'memory.ts')
  const peak = (samples: string, scheme: string): number => {
    const child = spawnSync(process.execPath, [script, model, samples, folder, scheme], { encoding: 'utf8' })
    const line = child.stdout.trim().split('\n').at(-1)
    if (!line?.startsWith('{')) throw new Error(child.stderr)
    return (JSON.parse(line) as { peakMiB: number }).peakMiB
  }
  const [few, many] = [args.few ?? '50', args.many ?? '5000']
  const rows = (args.scheme ?? ['int8']).map((scheme) => {
    const [a, b] = [peak(few, scheme), peak(many, scheme)]
    return { scheme, few: a, many: b, growth: b / a }
  })
  const text = [
    `Model of ${(statSync(model).size / 1e6).toFixed(0)} MB`,
    '',
    `| scheme | peak with ${few} samples, MiB | with ${many} | growth (bound ${BOUND}) |`,
    '| --- | --- | --- | --- |',
    ...rows.map((r) => `| ${r.scheme} | ${r.few.toFixed(0)} | ${r.many.toFixed(0)} | ${r.growth.toFixed(2)} |`),
  ].join('\n')
  return { text, json: rows, missed: rows.some((r) => r.growth > BOUND) }
}
