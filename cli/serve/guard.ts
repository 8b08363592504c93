import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** Names under which a browser may reach the loopback interface. Any port: an SSH tunnel has another at its near end. */
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

/**
 * Whether the browser believes to talk to this machine. A foreign site whose name was pointed at the loopback address (DNS rebinding) sends its
 * own name here.
 */
export function isOurHost(host: string | undefined): boolean {
  return host !== undefined && LOOPBACK.has(host.replace(/:\d{1,5}$/, '').toLowerCase())
}

/** Whether a request comes from a page of this server: browsers send the origin with every socket and every PUT, and pages cannot change it. */
export function isOurOrigin({ origin, host }: IncomingHttpHeaders): boolean {
  return isOurHost(host) && origin?.toLowerCase() === `http://${host!.toLowerCase()}`
}

/** Whether a token is the right one, in a time that does not tell how much of it was. */
export function isToken(given: string | undefined, token: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The token of a socket's handshake: `Sec-WebSocket-Protocol: stillroom, token.…`. */
export const socketToken = (headers: IncomingHttpHeaders): string | undefined =>
  headers['sec-websocket-protocol']
    ?.split(',')
    .map((part) => part.trim())
    .find((part) => part.startsWith('token.'))
    ?.slice('token.'.length)

/** The token of `Authorization: Bearer …`. */
export const bearerToken = ({ authorization }: IncomingHttpHeaders): string | undefined =>
  /^Bearer (\S+)$/.exec(authorization ?? '')?.[1]
