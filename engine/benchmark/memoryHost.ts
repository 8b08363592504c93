/** The measuring process of `memory.ts`: loads one model, runs it, and tells how far its memory grew. */
import { blockSize } from '../session/index.ts'
import type { MemoryJob } from './memory.ts'
import { openSubject } from './subject.ts'

const RUNS = 5
/** Node counts in KiB. */
const highWater = () => process.resourceUsage().maxRSS * 1024

const job = JSON.parse(process.argv[2]!) as MemoryJob
// The runtime's own start is not the model's: one tiny graph loads it first.
await blockSize()
const before = highWater()
const { session, feeds } = await openSubject(job.path, job.batch, { threads: job.threads, provider: job.provider })
for (let i = 0; i < RUNS; i++) await session.run(feeds)
process.send!({ peak: Math.max(0, highWater() - before) })
