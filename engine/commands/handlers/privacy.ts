import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { handler } from './handler.ts'

/** Socket states of Linux's /proc/net/tcp; UDP sockets that have a peer are ESTABLISHED too. */
const STATES: Record<string, string> = { '01': 'established', '02': 'connecting', '06': 'closing', '0A': 'listening', '07': 'open' }

/** Inodes of the sockets that this process holds. */
function ownSockets(): Set<string> {
  const found = new Set<string>()
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const inode = readlinkSync(`/proc/self/fd/${fd}`).match(/^socket:\[(\d+)\]$/)?.[1]
      if (inode) found.add(inode)
    } catch {
      // The descriptor that listed the folder is closed by now.
    }
  }
  return found
}

/** `0100007F:1F90` → 127.0.0.1:8080. Words of four bytes are in the machine's order, which is little-endian wherever this runs. */
export function address(text: string): string {
  const [host = '', port = ''] = text.split(':')
  const bytes = (host.match(/.{8}/g) ?? []).flatMap((word) =>
    word
      .match(/../g)!
      .reverse()
      .map((byte) => parseInt(byte, 16)),
  )
  const shown = bytes.length === 4 ? bytes.join('.') : `[${toV6(bytes)}]`
  return `${shown}:${parseInt(port, 16)}`
}

function toV6(bytes: readonly number[]): string {
  const mapped = bytes.slice(0, 10).every((b) => b === 0) && bytes[10] === 255 && bytes[11] === 255
  if (mapped) return `::ffff:${bytes.slice(12).join('.')}`
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16)).join(':')
  return groups.replace(/(^|:)(0(:|$)){2,}/, '::')
}

const isLoopback = (shown: string): boolean => /^(127\.|\[::1\]|\[::ffff:127\.)/.test(shown)
const isNobody = (shown: string): boolean => /^(0\.0\.0\.0|\[::\]):0$/.test(shown)

/** One line of /proc/net/{tcp,udp}{,6}. */
export function parseSocket(
  line: string,
): { inode: string; local: string; remote: string; state: string; loopback: boolean } | undefined {
  const parts = line.trim().split(/\s+/)
  const [, local, remote, state] = parts
  const inode = parts[9]
  if (!local?.includes(':') || !remote || !state || !inode) return undefined
  const [here, there] = [address(local), address(remote)]
  return {
    inode,
    local: here,
    remote: there,
    state: STATES[state] ?? state,
    loopback: isLoopback(here) && (isNobody(there) || isLoopback(there)),
  }
}

/** What the system says, not what the code means to do: the sockets of the process that computes. */
export default handler<'privacy'>(() => {
  if (!existsSync('/proc/self/net/tcp'))
    return { measured: false, how: 'this system gives no list that can be read without rights', sockets: [], outside: 0 }
  const own = ownSockets()
  const sockets = ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((kind) => {
    const file = `/proc/self/net/${kind}`
    if (!existsSync(file)) return []
    return readFileSync(file, 'utf8')
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const socket = parseSocket(line)
        return socket && own.has(socket.inode) ? [{ ...socket, protocol: kind }] : []
      })
  })
  return {
    measured: true,
    how: '/proc/self/fd and /proc/self/net, read now',
    sockets,
    outside: sockets.filter(({ loopback }) => !loopback).length,
  }
})
