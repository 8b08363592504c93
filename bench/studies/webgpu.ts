/** Trainings on ONNX Runtime's WebGPU provider beside the CPU, on the machine's GPU or a software device. */
import { parseArgs } from 'node:util'
import { cases } from '../webgpu/cases.ts'
import type { Comparison } from '../webgpu/compare.ts'
import { findGpu, runWorker, type GpuEnvironment } from '../webgpu/device.ts'
import { operatorTable, type Line } from '../webgpu/table.ts'

export const title = 'Trainings on WebGPU beside the CPU: agreement, and what leaves the device'
export const help = '--only cnn,transformer --steps 10; --operators: every operator instead; some minutes on a software device'

/** Losses and parameters of ten steps must agree to this, relatively. */
const TOLERANCE = 1e-3

export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: { only: { type: 'string' }, steps: { type: 'string' }, operators: { type: 'boolean' }, json: { type: 'boolean' } },
  })
  const gpu = findGpu()
  if ('why' in gpu) return { json: { skipped: gpu.why }, text: `skipped, no device for WebGPU: ${gpu.why}` }
  try {
    if (args.operators) return await operators(gpu)
    return await trainings(gpu, Number(args.steps ?? 10), args.only?.split(',') ?? cases.map((c) => c.name))
  } finally {
    gpu.clean()
  }
}

async function trainings(gpu: GpuEnvironment, steps: number, names: readonly string[]) {
  const rows: Comparison[] = []
  const lost: string[] = []
  for (const name of names) {
    process.stderr.write(`${name}\n`)
    const { ended } = await runWorker(gpu, ['train', String(steps), name], (line) => rows.push(line as Comparison))
    if (ended !== undefined) lost.push(`${name}: ${ended}`)
  }
  const bad = (r: Comparison): boolean =>
    !(r.lossError <= TOLERANCE && r.parameterError <= TOLERANCE) || r.fallbacks.length > 0 || r.onDevice < r.state
  const table = rows.map((r) => [
    r.name, r.nodes, r.fallbacks.length, r.copies, `${r.onDevice} of ${r.state}`, r.lossError.toExponential(1), r.parameterError.toExponential(1),
    r.firstStepSeconds.toFixed(1), r.stepSeconds.toFixed(3), bad(r) ? 'MISSED' : 'ok',
  ].map(String)) // prettier-ignore
  const head = ['training', 'nodes', 'on the CPU', 'copies', 'state kept', 'loss error', 'weight error', 'first s', 'step s', '']
  const text = [
    `device: ${gpu.device}; ${steps} steps each; errors are relative, the largest of a loss and the norm of all weights'`,
    ...columns([head, ...table]),
    ...rows.flatMap((r) => r.fallbacks.map((f) => `${r.name}: on the CPU: ${f.op} ${f.node}`)),
    ...lost,
  ].join('\n')
  return { json: { device: gpu.device, steps, trainings: rows, lost }, text, missed: lost.length > 0 || rows.some(bad) }
}

const columns = (rows: readonly (readonly string[])[]): string[] => {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd()) // prettier-ignore
}

async function operators(gpu: GpuEnvironment) {
  const lines: Line[] = []
  // A call that ends the process is passed over, and the rest goes on after it.
  for (let from = 0; ;) {
    const { ended } = await runWorker(gpu, ['operators', String(from)], (line) => lines.push(line as Line))
    const last = lines.at(-1)
    if (ended === undefined || !last || !('begin' in last)) break
    lines.push({ index: last.begin, operator: last.operator, example: -1, results: { plain: { kind: 'fails', message: ended } } })
    from = last.begin + 1
  }
  return operatorTable(gpu.device, lines)
}
