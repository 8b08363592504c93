import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { toWire } from '../../engine/commands/index.ts'
import { type DoorService, PAGE_HEADERS, pageFile } from '../../engine/commands/door/index.ts'
import { bearerToken, isOurHost, isOurOrigin, isToken, socketToken } from './guard.ts'
import { takeUpload } from './upload.ts'

/** Largest message of a page, in bytes: a recipe's text and what surrounds it. */
const MESSAGE_BYTES = 4 << 20
/** A page that reads this slowly, in bytes waiting, misses news of the queue; it asks for them again. */
const BACKLOG_BYTES = 4 << 20

export interface Served {
  url: string
  port: number
  close(): Promise<void>
}

/**
 * The page over HTTP, and its door over a WebSocket, on the loopback interface. The files of the page are no secret; the socket and uploads want
 * the token, our host name and our origin.
 * @param root folder of the built page
 */
export async function serveDoor(
  service: DoorService,
  root: string,
  { host, port }: { host: string; port: number },
): Promise<Served> {
  const token = randomBytes(32).toString('base64url')
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES, handleProtocols: () => 'stillroom' })
  sockets.on('connection', (socket) => connect(socket, service))

  const server = createServer((request, response) => {
    if (!isOurHost(request.headers.host)) return refuse(response, 421, 'this server answers to the loopback interface alone')
    const url = new URL(request.url ?? '/', 'http://localhost')
    if (request.method === 'PUT' && url.pathname === '/files') return void upload(request, response, url)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'expected GET')
    const { status, headers, body } = pageFile(root, url.pathname)
    response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body)
  })
  const upload = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    if (!isOurOrigin(request.headers) || !isToken(bearerToken(request.headers), token))
      return refuse(response, 403, 'wrong origin or token')
    let answer: object
    try {
      answer = { ok: service.allow([await takeUpload(request, service.inbox, url.searchParams)], 'drop')[0] }
    } catch (error) {
      answer = { error: toWire(error) }
    }
    response
      .writeHead('ok' in answer ? 200 : 400, { ...PAGE_HEADERS, 'content-type': 'application/json' })
      .end(JSON.stringify(answer))
  }
  server.on('upgrade', (request, socket, head) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname !== '/socket' || !isOurOrigin(request.headers) || !isToken(socketToken(request.headers), token)) {
      return void socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
    }
    sockets.handleUpgrade(request, socket, head, (open) => sockets.emit('connection', open, request))
  })

  await new Promise<void>((resolve, reject) => server.once('error', reject).listen({ host, port }, resolve))
  const { port: actual } = server.address() as AddressInfo
  const name = host.includes(':') ? `[${host}]` : host
  return {
    url: `http://${name}:${actual}/#token=${token}`,
    port: actual,
    async close() {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...PAGE_HEADERS, 'content-type': 'text/plain', connection: 'close' }).end(text)
}

/** One page: requests by number, answers with the same number, and what the program says by itself. */
function connect(socket: WebSocket, service: DoorService): void {
  const send = (message: object): void => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message))
  }
  const page = service.page((push) => {
    const again = push.type === 'jobs' || push.type === 'job'
    if (!again || socket.bufferedAmount < BACKLOG_BYTES) send({ push })
  })
  socket.on('message', (data, isBinary) => {
    let message: { id?: unknown; name?: unknown; params?: unknown } | null
    try {
      message = isBinary ? null : (JSON.parse((data as Buffer).toString('utf8')) as typeof message)
    } catch {
      message = null
    }
    const id = message?.id
    // A page of ours sends nothing else: this is another program, and it is sent away.
    if (typeof id !== 'number') return socket.close(1008)
    void page.request(message!.name, message!.params).then((answer) => send({ re: id, answer }))
  })
  socket.on('error', () => socket.terminate())
  socket.on('close', () => page.close())
}
