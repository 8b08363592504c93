import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { random } from '../../random.ts'
import { commandNames, type DoorPush, doorRequests, type DoorRequest } from '../contract/index.ts'
import { childProcess } from '../transports.ts'
import { type Native, openDoorService } from './index.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'stillroom-service-')))
const host = new URL('../testing/fakeHost.ts', import.meta.url)
for (const folder of ['mine', 'other', 'out']) mkdirSync(join(root, folder))
const model = join(root, 'mine', 'm.onnx')
writeFileSync(model, 'x')
const secret = join(root, 'other', 'secret.txt')
writeFileSync(secret, 'top secret')

const native: Native = {
  kind: 'electron',
  version: '1.2.3',
  versions: { node: '24' },
  pick: ({ mode }) => Promise.resolve(mode === 'file' ? model : null),
}
const service = openDoorService({ start: () => childProcess(host), store: join(root, 'store.sqlite'), native })
const pushes: DoorPush[] = []
const page = service.page((message) => void pushes.push(message))
afterAll(async () => {
  await service.close(0)
  rmSync(root, { recursive: true, force: true })
})

type Reply = { ok?: unknown; error?: { code: string; message: string; where?: string } }
const ask = (name: string, params: unknown = {}) => page.request(name, params) as Promise<Reply>

describe('a page', () => {
  it('may use a file once it was chosen, and no other', async () => {
    const call = (path: string) => ask('call', { id: 'c', command: 'inspect', input: { model: path } })
    expect((await call(model)).error).toMatchObject({ code: 'option', where: 'model', hint: expect.stringContaining('drop it') })
    expect(await ask('pick', { mode: 'folder', kind: 'any', purpose: 'read' })).toEqual({ ok: null })
    expect(await ask('pick', { mode: 'file', kind: 'model', purpose: 'read' })).toEqual({ ok: model })
    expect((await call(model)).ok).toMatchObject({ opset: 17 })
    expect((await call(secret)).error).toMatchObject({ code: 'option' })
    expect((await ask('jobs.add', { command: 'inspect', input: { model: secret } })).error).toMatchObject({ code: 'option' })
  })

  it('reads and writes texts within what was chosen', async () => {
    expect((await ask('files.readText', { path: secret })).error?.message).toContain('was not chosen')
    expect((await ask('files.writeText', { path: model, text: 'y' })).error?.message).toContain('to be written to')
    expect((await ask('files.writeText', { path: join(root, 'store.sqlite'), text: 'y' })).error?.code).toBe('option')
    const { exportsFolder } = (await ask('info')).ok as { exportsFolder: string }
    mkdirSync(exportsFolder, { recursive: true })
    const recipe = join(exportsFolder, 'r.json')
    expect(await ask('files.writeText', { path: recipe, text: '{}' })).toEqual({ ok: null })
    expect(await ask('files.readText', { path: recipe })).toEqual({ ok: '{}' })
  })

  it('works on the store of its window alone, with the threads that were set', async () => {
    expect((await ask('jobs.add', { command: 'inspect', input: { model, store: join(root, 'mine', 's') } })).error).toMatchObject({
      where: 'store',
    })
    await ask('settings.set', { changes: { threads: 3 } })
    const { ok } = await ask('jobs.add', { command: 'inspect', input: { model } })
    expect(ok).toMatchObject({ input: { model, threads: 3, store: join(root, 'store.sqlite') } })
    await ask('settings.set', { changes: { threads: null } })
  })

  it('remembers settings and recent files, and tells other pages', async () => {
    expect((await ask('settings.set', { changes: { theme: 'pink' } })).error).toMatchObject({ code: 'option', where: 'theme' })
    expect((await ask('settings.set', { changes: { view: { big: 'x'.repeat(70_000) } } })).error?.where).toBe('view')
    await ask('settings.set', { changes: { theme: 'dark' } })
    expect(pushes.findLast(({ type }) => type === 'settings')).toMatchObject({ settings: { theme: 'dark' } })
    expect((await ask('recent.add', { path: secret, kind: 'any' })).error?.code).toBe('option')
    await ask('recent.add', { path: model, kind: 'model' })
    expect((await ask('recent.list')).ok).toEqual([{ path: model, kind: 'model', opened: expect.any(Number) }])
  })

  it('takes files that the system opened, once', async () => {
    const other = join(root, 'other', 'o.onnx')
    writeFileSync(other, 'x')
    service.open([other])
    expect(pushes.at(-1)).toEqual({ type: 'open' })
    expect(await ask('open.take')).toEqual({ ok: [other] })
    expect(await ask('open.take')).toEqual({ ok: [] })
    expect((await ask('call', { id: 'o', command: 'inspect', input: { model: other } })).ok).toMatchObject({ opset: 17 })
  })

  it('gets the events of its own calls, and its calls end with it', async () => {
    const [mine, theirs]: DoorPush[][] = [[], []]
    const [one, two] = [service.page((push) => void mine!.push(push)), service.page((push) => void theirs!.push(push))]
    const call = one.request('call', {
      id: 'x',
      command: 'distill',
      input: { teacher: model, data: 'builtin:d', student: 'template:s', method: ['kd'], steps: 500 },
    })
    while (!mine!.some(({ type }) => type === 'event')) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(theirs!.filter(({ type }) => type === 'event')).toEqual([])
    one.close()
    expect(await call).toMatchObject({ error: { code: 'interrupted' } })
    two.close()
  })

  it('is refused while another process has the store', () => {
    const folder = join(root, 'held')
    mkdirSync(join(folder, 'app'), { recursive: true })
    // The first process of the machine is alive and is not this one.
    writeFileSync(join(folder, 'app', 'lock'), JSON.stringify({ pid: 1, start: null, machine: 'elsewhere' }))
    const options = { start: () => childProcess(host), store: join(folder, 'store.sqlite'), native }
    expect(() => openDoorService(options)).toThrow('another window of Stillroom has this store open')
  })
})

describe('bad messages', () => {
  const dice = random(5, 'messages')
  const pick = <T>(list: readonly T[], n: number): T => list[dice.uint32(n) % list.length]!
  const junk = [
    null,
    undefined,
    NaN,
    -1,
    1e308,
    '',
    '\0',
    '../..',
    '/etc/passwd',
    secret,
    [],
    [[]],
    {},
    { length: 5 },
    { id: 1 },
    'x'.repeat(5000),
  ]
  const inputs = [
    {},
    { model: secret },
    { id: 'none' },
    { path: secret, kind: 'model' },
    { recipe: secret },
    { model: secret, out: root },
  ]
  /** A message of each kind as a hostile page would write it: right in form, and about what was never chosen or does not exist. */
  const base = (n: number): Partial<Record<DoorRequest, Record<string, unknown>>> => {
    const call = { command: pick(commandNames, n), input: pick(inputs, n + 1) }
    return {
      call: { id: 'x', ...call },
      cancel: { id: 'none' },
      'jobs.add': call,
      'jobs.history': { id: 'none' },
      'jobs.cancel': { id: 'none', now: true },
      'jobs.resume': { id: 'none' },
      'jobs.reorder': { id: 'none', before: null },
      'jobs.setPriority': { id: 'none', priority: 1 },
      'jobs.setConcurrency': { count: 99 },
      'jobs.setHeld': { held: true },
      'jobs.remove': { id: 'none' },
      pick: { mode: 'file', kind: 'model', purpose: 'read' },
      'files.list': { path: secret },
      'files.choose': { path: secret, purpose: 'read' },
      'files.readText': { path: secret },
      'files.writeText': { path: secret, text: 'gone' },
      'files.reveal': { path: secret },
      'grants.revoke': { path: secret },
      'recent.add': { path: secret, kind: 'any' },
      'settings.set': { changes: { threads: 0 } },
    }
  }
  /** What a page may rightly ask, and what harms nothing though there is nothing to do. */
  const harmless = new Set<DoorRequest>([
    'cancel',
    'jobs.history',
    'grants.revoke',
    'settings.set',
    'jobs.setHeld',
    'jobs.remove',
    'pick',
  ])

  it('2,000 of them get errors, change nothing and reach nothing', async () => {
    const state = async () => [
      await ask('settings.get'),
      await ask('jobs.list'),
      await ask('grants.list'),
      await ask('recent.list'),
    ]
    const before = await state()
    const store = () => readdirSync(root, { recursive: true }).map(String).sort()
    const files = store()
    const wrong: unknown[] = []
    let sent = 0
    for (let n = 0; sent < 2000; n += 8) {
      const messages = base(n)
      const name = pick(Object.keys(messages) as DoorRequest[], n + 2)
      const params: Record<string, unknown> = { ...messages[name] }
      const key = pick(Object.keys(params), n + 3)
      const mutation = dice.uint32(n + 4) % 5
      if (mutation === 0) params[key] = pick(junk, n + 5)
      else if (mutation === 1) delete params[key]
      else if (mutation === 2) params['more'] = pick(junk, n + 5)
      const message: unknown = mutation === 3 ? pick(junk, n + 5) : params
      if (harmless.has(name) && doorRequests[name].params.safeParse(message ?? {}).success) continue
      const answer = (await page.request(
        mutation === 4 && n % 3 === 0 ? pick(['', 'constructor', '__proto__', 7], n + 5) : name,
        message,
      )) as Reply
      sent++
      if (!answer.error || answer.error.code === 'bug' || JSON.stringify(answer).includes('top secret'))
        wrong.push([name, message, answer])
    }
    expect(wrong).toEqual([])
    expect(await state()).toEqual(before)
    expect(store()).toEqual(files)
    expect(readFileSync(secret, 'utf8')).toBe('top secret')
  })
})
