import type { WireError } from '../../engine/commands/contract/index.ts'
import type { PageWire } from './makeDoor.ts'
import { makeSignal } from './signal.ts'

const LOST: WireError = {
  code: 'interrupted',
  message: 'the connection to Stillroom was lost',
  hint: 'the page connects again by itself; jobs go on meanwhile',
}
const NO_TOKEN: WireError = {
  code: 'option',
  message: 'this page was opened without its token',
  hint: 'open the address that `stillroom serve` printed',
}

/** Waits between attempts to connect again, in milliseconds; the last one repeats. */
const RETRY_MS = [200, 500, 1000, 2000, 5000]

/**
 * The token of the address that `stillroom serve` printed. It leaves the address bar at once and lasts as long as the tab, so that a
 * reload works and a bookmark holds no secret.
 */
function takeToken(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given !== null) {
    sessionStorage.setItem('stillroom-token', given)
    history.replaceState(null, '', location.pathname)
  }
  return sessionStorage.getItem('stillroom-token') ?? undefined
}

/** The wire to `stillroom serve`: JSON messages over a WebSocket to the server of the page, and files by PUT. */
export function webSocketWire(): PageWire {
  const token = takeToken()
  const pushed = makeSignal<unknown>()
  const connection = makeSignal<'open' | 'lost'>()
  const waiting = new Map<number, (answer: unknown) => void>()
  let next = 1
  let failures = 0
  let socket: WebSocket | undefined
  let opening: Promise<void> | undefined

  const connect = (): Promise<void> =>
    (opening ??= new Promise((resolve, reject) => {
      // The token rides in the handshake: an unknown caller never gets a socket. Browsers allow no other header there.
      const fresh = new WebSocket(`ws://${location.host}/socket`, ['stillroom', `token.${token}`])
      fresh.onopen = () => {
        socket = fresh
        failures = 0
        resolve()
        connection.tell('open')
      }
      fresh.onmessage = ({ data }) => receive(JSON.parse(String(data)))
      fresh.onclose = () => {
        opening = undefined
        reject(new Error(LOST.message))
        if (socket === fresh) {
          socket = undefined
          for (const settle of waiting.values()) settle({ error: LOST })
          waiting.clear()
          connection.tell('lost')
        }
        const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]!
        setTimeout(() => void connect().catch(() => undefined), wait)
      }
    }))

  const receive = (message: { re?: number; answer?: unknown; push?: unknown }): void => {
    if (message.re === undefined) return pushed.tell(message.push)
    waiting.get(message.re)?.(message.answer)
    waiting.delete(message.re)
  }

  return {
    kind: 'browser',
    async request(name, params) {
      if (token === undefined) return { error: NO_TOKEN }
      try {
        await connect()
      } catch {
        return { error: LOST }
      }
      return new Promise((resolve) => {
        waiting.set(next, resolve)
        socket?.send(JSON.stringify({ id: next++, name, params }))
      })
    },
    listen: pushed.on,
    onConnection: connection.on,
    async takeFiles(files) {
      // One folder for the files of one drop: a model names its external data by file name.
      const batch = crypto.randomUUID()
      const paths: string[] = []
      for (const file of files) {
        const query = new URLSearchParams({ batch, name: file.name })
        const headers = { authorization: `Bearer ${token}` }
        const response = await fetch(`/files?${query}`, { method: 'PUT', body: file, headers }).catch(() => undefined)
        const answer = (await response?.json().catch(() => undefined)) as { ok?: string; error?: WireError } | undefined
        if (answer?.ok === undefined) return { error: answer?.error ?? LOST }
        paths.push(answer.ok)
      }
      return { ok: paths }
    },
  }
}
