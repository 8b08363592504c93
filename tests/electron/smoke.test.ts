import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { IN_ELECTRON, launch, type RunningApp } from './app.ts'
import { hasChromium } from './chromium.ts'
import { tinyModel } from './models.ts'
import { foreignAddresses, foreignSockets, hasStrace } from './sockets.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-app-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.runIf(hasChromium()).each(['electron', 'serve'] as const)('through %s', (door) => {
  let app: RunningApp
  const trace = join(folder, `${door}.trace`)
  const traces = hasStrace() && !(IN_ELECTRON && door === 'electron')
  beforeAll(async () => {
    app = await launch(door, { folder: join(folder, door), root: [folder], ...(traces ? { trace } : {}) })
  })

  it('opens the window', async () => {
    await app.page.waitForFunction(() => (document.querySelector('#app')?.childElementCount ?? 0) > 0)
    expect(await app.page.title()).toContain('Stillroom')
    expect(app.errors).toEqual([])
    expect(app.strange).toEqual([])
  })

  it('inspects a model in an engine host, and quits', async () => {
    const model = tinyModel(join(folder, `${door}.onnx`))
    await app.drop('#app', [model])
    await app.page.getByText(`${door}.onnx`).first().waitFor()
    expect(app.errors).toEqual([])
    await app.quit()
  })

  it.runIf(traces)('opened no socket to another machine', () => expect(foreignSockets(trace)).toEqual([]))
})

describe('a trace of system calls', () => {
  const probe =
    '7  socket(AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 24\n7  connect(24, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:4860:4860::8888", &sin6_addr)}, 28) = 0'
  it.each([
    ['7  connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0', []],
    ['7  connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 29) = 0', []],
    ['7  connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}, 16) = -1', ['192.0.2.1']],
    [
      '7  sendto(3, ""..., 40, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}, 16) = 40',
      ['192.0.2.1'],
    ],
    [probe, []],
    [probe.replace('IPPROTO_IP) = 24', 'IPPROTO_IP <unfinished ...>\n7  <... socket resumed>)  = 24'), []],
    [probe.replace('SOCK_DGRAM', 'SOCK_STREAM'), ['2001:4860:4860::8888']],
    [`${probe}\n7  sendto(24, ""..., 40, 0, NULL, 0) = 40`, ['2001:4860:4860::8888']],
    [`${probe}\n7  socket(AF_UNIX, SOCK_STREAM, 0) = 24\n7  sendto(24, ""..., 40, 0, NULL, 0) = 40`, []],
  ])('%s: %j', (trace, expected) => expect(foreignAddresses(trace)).toEqual(expected))
})
