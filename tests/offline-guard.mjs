// Preload (`node --import ./tests/offline-guard.mjs …`): a connection or a name look-up that would leave this machine throws instead.
// Tests start the command line with it, so that "nothing is uploaded, nothing is downloaded" is checked while the program works.
import dgram from 'node:dgram'
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

/** Loopback addresses and names. The empty host is Node's default, which is localhost. */
export const isLoopback = (host) =>
  host === undefined ||
  host === '' ||
  host === 'localhost' ||
  host === '::1' ||
  /^127(\.\d{1,3}){3}$/.test(host) ||
  /^::ffff:127\./.test(host)

const refuse = (what, host) => {
  throw new Error(`offline guard: ${what} to '${host}' leaves this machine`)
}

/** Host of net.connect's arguments, in each of their forms; a path is a local pipe. */
const hostOf = (args) => {
  const [first, second] = Array.isArray(args[0]) ? args[0] : args
  if (typeof first === 'object' && first !== null) return first.path ? undefined : first.host
  return typeof second === 'string' ? second : undefined
}

const connect = net.Socket.prototype.connect
net.Socket.prototype.connect = function (...args) {
  const host = hostOf(args)
  if (!isLoopback(host)) refuse('connection', host)
  return connect.apply(this, args)
}

const send = dgram.Socket.prototype.send
dgram.Socket.prototype.send = function (...args) {
  const host = args.find((arg, i) => i > 0 && typeof arg === 'string')
  if (!isLoopback(host)) refuse('datagram', host)
  return send.apply(this, args)
}

for (const module of [dns, dns.promises]) {
  for (const name of Object.keys(module)) {
    const original = module[name]
    if (typeof original !== 'function' || !/^(lookup|resolve)/.test(name)) continue
    module[name] = function (host, ...rest) {
      if (!isLoopback(host)) refuse('look-up', host)
      return original.call(this, host, ...rest)
    }
  }
}
// `import { lookup } from 'node:dns'` copies the functions: bring those copies up to date.
syncBuiltinESMExports()
