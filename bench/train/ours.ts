/**
 * Our side of one workload, in a process of its own: `node ours.ts NAME '{"threads": 2}'`. Each line read is `{"steps": n}`; each line
 * written holds the times of those steps in ms, their losses, and the memory so far.
 */
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { blockSize } from '../../engine/session/index.ts'
import type { UpdatePlace } from '../../engine/train/index.ts'
import { batchesOf } from './data.ts'
import { memoryNow, peakMemory } from './memory.ts'
import { openStep } from './step.ts'
import { workloads } from './workloads.ts'

/** `block` 1 is the portable form, none the probed one; `profile` is a file for the times of all nodes. */
export interface OursOptions {
  threads: number
  block?: number
  update?: UpdatePlace
  /** Choose between forms of operators by timing them; default true. */
  tune?: boolean
  profile?: string
}

const base = memoryNow()
const [name, options = '{"threads": 2}'] = process.argv.slice(2)
const { threads, block, update, tune, profile } = JSON.parse(options) as OursOptions
const workload = workloads.find((w) => w.name === name)!
const stepper = await openStep(workload, batchesOf(workload), {
  block: block ?? (await blockSize()),
  threads,
  update,
  tune,
  profile: profile !== undefined,
})
process.stdout.write(`${JSON.stringify({ ready: true, nodes: stepper.program.model.graph.nodes.length, plan: stepper.plan })}\n`)
for await (const line of createInterface({ input: process.stdin })) {
  const { steps } = JSON.parse(line) as { steps: number }
  const [ms, cpu, losses]: [number[], number[], number[]] = [[], [], []]
  for (let i = 0; i < steps; i++) {
    const from = performance.now()
    const work = process.cpuUsage()
    losses.push(await stepper.step())
    ms.push(performance.now() - from)
    const { user, system } = process.cpuUsage(work)
    cpu.push((user + system) / 1000)
  }
  process.stdout.write(`${JSON.stringify({ ms, cpu, losses, base, peak: peakMemory() })}\n`)
}
if (profile !== undefined) writeFileSync(profile, JSON.stringify(stepper.profile()))
await stepper.release()
