import { readFileSync } from 'node:fs'

/** Resident bytes of this process now. */
export const memoryNow = (): number => process.memoryUsage.rss()

/** The most that this process has been resident in, in bytes. What the system counts from birth includes the parent's, hence Linux's own file first. */
export function peakMemory(): number {
  try {
    const found = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))
    if (found) return Number(found[1]) * 1024
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024
}
