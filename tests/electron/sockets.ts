/** Reading a trace of system calls for sockets that reach outside of this machine. */
import { existsSync, readFileSync } from 'node:fs'

const STRACE = '/usr/bin/strace'
export const hasStrace = (): boolean => existsSync(STRACE)

/** A command line under strace. It traces from aside (`-D`), so that the program itself is our child and gets our signals. */
export const traced = (file: string, program: readonly string[]): [string, ...string[]] => [
  STRACE,
  '-D',
  '-f',
  '--seccomp-bpf',
  '-qq',
  '-e',
  'trace=socket,connect,sendto,sendmsg,sendmmsg,close',
  '-s',
  '0',
  '-o',
  file,
  ...program,
]

/**
 * Chromium asks the system whether it has a route for IPv6 by connecting a datagram socket to this address, which sends nothing; no switch turns
 * it off.
 */
const ROUTE_PROBE = '2001:4860:4860::8888'

/**
 * Addresses outside of the loopback interface that a traced program connected or sent to. Chromium's look for a route is let pass only
 * through a datagram socket, and only if nothing is then sent through that socket by the same thread.
 */
export function foreignAddresses(trace: string): string[] {
  const found = new Set<string>()
  /** Datagram sockets, and those of them that were connected for a look, by thread and number. */
  const datagrams = new Set<string>()
  const probes = new Set<string>()
  /** Threads whose call for a datagram socket was interrupted in the trace. */
  const asked = new Set<string>()
  for (const line of trace.split('\n')) {
    const [, thread = '', resumed, call, fd] = /^(\d+)\s+(<\.\.\. )?(\w+)(?:\((\d+)?)?/.exec(line) ?? []
    const address = /sin_addr=inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"/.exec(line)
    const name = address?.[1] ?? address?.[2]
    const socket = `${thread} ${fd}`
    if (call === 'socket') {
      const datagram = resumed ? asked.delete(thread) : line.includes('SOCK_DGRAM')
      const made = /= (\d+)$/.exec(line)?.[1]
      if (made === undefined) {
        if (datagram) asked.add(thread)
        continue
      }
      probes.delete(`${thread} ${made}`)
      if (datagram) datagrams.add(`${thread} ${made}`)
      else datagrams.delete(`${thread} ${made}`)
    } else if (call === 'close') probes.delete(socket)
    else if (call === 'connect' && name === ROUTE_PROBE && datagrams.has(socket)) probes.add(socket)
    else if (name !== undefined && !/^(127\.|::1$|::ffff:127\.)/.test(name)) found.add(name)
    else if (call !== 'connect' && !resumed && probes.has(socket)) found.add(ROUTE_PROBE)
  }
  return [...found].sort()
}

/** The same of a file that `traced` wrote; what was found is printed with the calls around it. */
export function foreignSockets(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  const found = foreignAddresses(text)
  const lines = text.split('\n')
  const at = lines.findIndex((line) => found.some((address) => line.includes(`"${address}"`)))
  if (at >= 0) process.stdout.write(`${lines.slice(Math.max(0, at - 12), at + 4).join('\n')}\n`)
  return found
}
