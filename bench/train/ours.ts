/**
 * Our side of one workload, in a process of its own: `node ours.ts NAME THREADS BLOCK [PROFILE]`. Each line read is `{"steps": n}`; each line written
 * holds the times of those steps in ms, their losses, and the memory so far. PROFILE is a file for the times of all nodes.
 */
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { blockSize } from '../../engine/session/index.ts'
import { batchesOf } from './data.ts'
import { memoryNow, peakMemory } from './memory.ts'
import { openStep } from './step.ts'
import { workloads } from './workloads.ts'

const base = memoryNow()
const [name, threads, block, profile] = process.argv.slice(2)
const workload = workloads.find((w) => w.name === name)!
const stepper = await openStep(workload, batchesOf(workload), {
  block: block === undefined || block === 'probe' ? await blockSize() : Number(block),
  threads: Number(threads ?? 2),
  profile: profile !== undefined,
})
process.stdout.write(`${JSON.stringify({ ready: true, nodes: stepper.program.model.graph.nodes.length })}\n`)
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
