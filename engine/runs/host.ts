import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * A process, for ever: pids are reused, so its start time is part of the identity. `start` is null where the system does
 * not say; then the pid alone decides.
 */
export interface Host {
  pid: number
  start: string | null
  machine: string
}

/** Start time and state of a process, or undefined when there is none. */
function look(pid: number): { start: string | null; zombie: boolean } | undefined {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives, and belongs to someone else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined
  }
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      // The second field is the program's name in parentheses and may hold anything, so count from its end.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
      return { start: `${boot}:${fields[19]}`, zombie: fields[0] === 'Z' }
    }
    if (process.platform === 'darwin') {
      const text = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 5000 }).trim()
      const space = text.indexOf(' ')
      return { start: text.slice(space).trim() || null, zombie: text.startsWith('Z') }
    }
    if (process.platform === 'win32') {
      const query = `(Get-Process -Id ${pid}).StartTime.ToFileTimeUtc()`
      const text = execFileSync('powershell', ['-NoProfile', '-Command', query], { encoding: 'utf8', timeout: 15_000 })
      return { start: text.trim() || null, zombie: false }
    }
  } catch {
    // The process may have ended between the two looks, or the system's tool is missing: the pid decides.
  }
  return { start: null, zombie: false }
}

let own: Host | undefined

/** The identity of this process. */
export function thisHost(): Host {
  own ??= { pid: process.pid, start: look(process.pid)?.start ?? null, machine: hostname() }
  return own
}

/** Whether a host still runs. One on another machine (a shared home folder) is assumed to. */
export function isAlive(host: Host): boolean {
  if (host.machine !== hostname()) return true
  const found = look(host.pid)
  if (found === undefined || found.zombie) return false
  return host.start === null || found.start === null || host.start === found.start
}
