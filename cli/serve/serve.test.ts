import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { childProcess } from '../../engine/commands/index.ts'
import { type DoorService, openDoorService } from '../../engine/commands/door/index.ts'
import { bearerToken, isOurHost, isOurOrigin, isToken, socketToken } from './guard.ts'
import { type Served, serveDoor } from './server.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'stillroom-serve-')))
const page = join(root, 'page')
for (const folder of ['page/assets', 'shown', 'other']) mkdirSync(join(root, folder), { recursive: true })
writeFileSync(join(page, 'index.html'), '<!doctype html><title>t</title>')
writeFileSync(join(page, 'assets', 'index-abcd1234.js'), 'export {}')
writeFileSync(join(page, 'secret.key'), 'key')
writeFileSync(join(root, 'outside.html'), 'outside')
writeFileSync(join(root, 'shown', 'a.onnx'), 'x')

let service: DoorService
let served: Served
let token: string
const host = (): string => `127.0.0.1:${served.port}`
beforeAll(async () => {
  service = openDoorService({
    start: () => childProcess(new URL('../../engine/commands/testing/fakeHost.ts', import.meta.url)),
    store: join(root, 'store.sqlite'),
    native: { kind: 'browser', version: '1', versions: {}, shown: [{ path: join(root, 'shown'), writable: false }] },
  })
  served = await serveDoor(service, page, { host: '127.0.0.1', port: 0 })
  token = new URL(served.url).hash.replace('#token=', '')
})
afterAll(async () => {
  await served.close()
  await service.close(0)
  rmSync(root, { recursive: true, force: true })
})

/** A request as any program can send it: each header as given. */
function http(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body = '',
): Promise<{ status: number; headers: IncomingMessage['headers']; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port: served.port, method, path, headers: { host: host(), ...headers } },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (more: string) => (text += more))
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }))
      },
    )
    sent.on('error', reject).end(body)
  })
}

/** Open a socket; 'open', or the status with which it was refused. */
function open(
  headers: Record<string, string>,
  protocols = ['stillroom', `token.${token}`],
  path = '/socket',
): Promise<WebSocket | number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://${host()}${path}`, protocols, { headers: { origin: `http://${host()}`, ...headers } })
    socket.on('open', () => resolve(socket))
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode!))
    socket.on('error', () => resolve(0))
  })
}

describe('who may speak', () => {
  it.each(['127.0.0.1', 'localhost:80', '[::1]:8080', 'LOCALHOST:1'])('%s is this machine', (name) =>
    expect(isOurHost(name)).toBe(true),
  )
  it.each([
    undefined,
    '',
    'evil.example',
    'evil.example:80',
    '127.0.0.1.evil.example',
    'localhost.evil.example:80',
    '10.0.0.1',
    '127.0.0.1:80:80',
    '::1',
    '0.0.0.0',
  ])('%s is another', (name) => expect(isOurHost(name)).toBe(false))
  it.each([
    ['http://localhost:8080', 'localhost:8080', true],
    ['http://localhost:8081', 'localhost:8080', false],
    ['https://localhost:8080', 'localhost:8080', false],
    ['http://evil.example', 'localhost:8080', false],
    // The name of a foreign site, pointed at this machine.
    ['http://evil.example:8080', 'evil.example:8080', false],
    ['null', 'localhost:8080', false],
    [undefined, 'localhost:8080', false],
  ])('origin %s of host %s: %s', (origin, host, expected) =>
    expect(isOurOrigin({ ...(origin === undefined ? {} : { origin }), host })).toBe(expected),
  )
  it('takes the right token alone', () => {
    expect([
      isToken('abc', 'abc'),
      isToken('abd', 'abc'),
      isToken('ab', 'abc'),
      isToken('', 'abc'),
      isToken(undefined, 'abc'),
    ]).toEqual([true, false, false, false, false])
    expect([
      socketToken({ 'sec-websocket-protocol': 'stillroom, token.x' }),
      socketToken({ 'sec-websocket-protocol': 'stillroom' }),
    ]).toEqual(['x', undefined])
    expect([bearerToken({ authorization: 'Bearer x' }), bearerToken({ authorization: 'Basic x' }), bearerToken({})]).toEqual([
      'x',
      undefined,
      undefined,
    ])
  })
})

describe('the page', () => {
  it('comes with a policy that lets nothing else in', async () => {
    const { status, headers, text } = await http('GET', '/')
    expect([status, text]).toEqual([200, '<!doctype html><title>t</title>'])
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'")
    expect(headers['content-security-policy']).not.toContain('unsafe')
    expect((await http('GET', '/assets/index-abcd1234.js')).headers).toMatchObject({
      'content-type': expect.stringContaining('javascript'),
      'cache-control': expect.stringContaining('immutable'),
    })
  })
  it.each([
    '/nothing.html',
    '/../outside.html',
    '/%2e%2e/outside.html',
    '/..%2foutside.html',
    '/assets/..%5c..%5coutside.html',
    '/secret.key',
    '/%00',
    '/%',
  ])('has no %s', async (path) => {
    expect((await http('GET', path)).status).toBe(404)
  })
  it.each([
    ['a foreign host', 'GET', '/', { host: 'evil.example' }, 421],
    ['another method', 'POST', '/', {}, 405],
  ])('refuses %s', async (_, method, path, headers, status) => expect((await http(method, path, headers)).status).toBe(status))
})

describe('the socket', () => {
  it('opens for the page with its token, and answers', async () => {
    const socket = (await open({})) as WebSocket
    const answers: { re: number }[] = []
    socket.on('message', (data: Buffer) => answers.push(JSON.parse(data.toString()) as { re: number }))
    socket.send(JSON.stringify({ id: 1, name: 'files.list', params: { path: null } }))
    socket.send(JSON.stringify({ id: 2, name: 'files.choose', params: { path: join(root, 'other'), purpose: 'read' } }))
    socket.send(JSON.stringify({ id: 3, name: 'files.choose', params: { path: join(root, 'shown', 'a.onnx'), purpose: 'read' } }))
    socket.send(JSON.stringify({ id: 4, name: 'pick', params: { mode: 'file', kind: 'model', purpose: 'read' } }))
    while (answers.length < 4) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(answers.sort((a, b) => a.re - b.re)).toEqual([
      {
        re: 1,
        answer: {
          ok: expect.objectContaining({
            path: null,
            entries: [join(root, 'shown'), join(root, 'app', 'exports')].map(
              (path) => expect.objectContaining({ path }) as unknown,
            ),
          }),
        },
      },
      { re: 2, answer: { error: expect.objectContaining({ code: 'option' }) } },
      { re: 3, answer: { ok: join(root, 'shown', 'a.onnx') } },
      { re: 4, answer: { error: expect.objectContaining({ code: 'unsupported' }) } },
    ])
    socket.close()
  })
  it.each([
    ['without a token', {}, ['stillroom']],
    ['with a wrong token', {}, ['stillroom', 'token.x']],
    ['of a foreign page', { origin: 'http://evil.example' }, undefined],
    ['of no page', { origin: '' }, undefined],
    ['for a foreign name', { host: 'evil.example', origin: 'http://evil.example' }, undefined],
  ])('does not open %s', async (_, headers, protocols) =>
    expect(await open(headers as Record<string, string>, protocols)).toBe(403),
  )
  it('does not open at another address', async () => expect(await open({}, undefined, '/')).toBe(403))
  it.each(['not JSON', '[]', '{"name":"info"}', 'null'])('sends away who says %s', async (text) => {
    const socket = (await open({})) as WebSocket
    const code = new Promise((resolve) => socket.on('close', resolve))
    socket.send(text)
    expect(await code).toBe(1008)
  })
})

describe('uploads', () => {
  const batch = '123e4567-e89b-42d3-a456-426614174000'
  const put = (query: Record<string, string>, headers: Record<string, string> = {}) =>
    http(
      'PUT',
      `/files?${new URLSearchParams({ batch, name: 'm.onnx', ...query })}`,
      { origin: `http://${host()}`, authorization: `Bearer ${token}`, ...headers },
      'content',
    )

  it('keep a copy that may be used, those of one drop together', async () => {
    const first = JSON.parse((await put({})).text) as { ok: string }
    const second = JSON.parse((await put({ name: 'm.onnx.data' })).text) as { ok: string }
    expect(first.ok).toBe(join(service.inbox, batch, 'm.onnx'))
    expect(second.ok).toBe(`${first.ok}.data`)
    expect(readFileSync(first.ok, 'utf8')).toBe('content')
  })
  it.each([
    ['without a token', {}, { authorization: '' }, 403],
    ['of a foreign page', {}, { origin: 'http://evil.example' }, 403],
    ['with a folder in the name', { name: '../m.onnx' }, {}, 400],
    ['with a bare folder', { name: '..' }, {}, 400],
    ['with a made-up batch', { batch: '../../x' }, {}, 400],
  ])('are refused %s', async (_, query, headers, status) => {
    expect((await put(query as Record<string, string>, headers as Record<string, string>)).status).toBe(status)
    expect(existsSync(join(root, 'm.onnx'))).toBe(false)
  })
  it('do not replace a copy', async () => {
    await put({ name: 'twice' })
    const before = createHash('sha256')
      .update(readFileSync(join(service.inbox, batch, 'twice')))
      .digest('hex')
    expect((await put({ name: 'twice' })).status).toBe(400)
    expect(
      createHash('sha256')
        .update(readFileSync(join(service.inbox, batch, 'twice')))
        .digest('hex'),
    ).toBe(before)
  })
})
