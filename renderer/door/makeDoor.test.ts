import { describe, expect, it } from 'vitest'
import { makeDoor, type PageWire } from './makeDoor.ts'
import { makeSignal } from './signal.ts'

/** A wire whose other end is the test: answers by name, and pushes. */
function fakeWire(answers: Record<string, (params: never) => unknown>, kind: PageWire['kind'] = 'browser') {
  const pushed = makeSignal<unknown>()
  const connection = makeSignal<'open' | 'lost'>()
  const asked: [string, unknown][] = []
  const table: Record<string, (params: never) => unknown> = { info: () => ({ canReveal: false }), ...answers }
  const wire: PageWire = {
    kind,
    async request(name, params) {
      asked.push([name, params])
      const answer = table[name]
      return answer
        ? { ok: await Promise.resolve(answer(params as never)) }
        : { error: { code: 'unsupported', message: `no ${name}`, where: 'w', hint: 'h' } }
    },
    listen: pushed.on,
    onConnection: connection.on,
    takeFiles: async (files) => ({ ok: files.map(({ name }) => `/inbox/${name}`) }),
  }
  return { wire, asked, push: pushed.tell, connection: connection.tell }
}
const noPicker = () => Promise.resolve(undefined)
const settled = () => new Promise((resolve) => setTimeout(resolve, 0))
const step = (seq: number) => ({ seq, at: seq, event: 'step', payload: seq })

describe('calls', () => {
  it('answer, and reject with the kind of error that it was there', async () => {
    const { wire } = fakeWire({ call: ({ input }) => input })
    const door = await makeDoor(wire, noPicker)
    expect(await door.invoke('1', 'inspect', { model: 'm' })).toEqual({ model: 'm' })
    await expect(door.grants.list()).rejects.toMatchObject({ name: 'StillroomError', code: 'unsupported', where: 'w', hint: 'h' })
  })
  it('get their own events until they unsubscribe', async () => {
    const { wire, push } = fakeWire({})
    const door = await makeDoor(wire, noPicker)
    const got: unknown[] = []
    const off = door.subscribe('1', (event, payload) => got.push([event, payload]))
    push({ type: 'event', id: '1', event: 'stage', payload: 1 })
    push({ type: 'event', id: '2', event: 'stage', payload: 2 })
    off()
    push({ type: 'event', id: '1', event: 'stage', payload: 3 })
    expect(got).toEqual([['stage', 1]])
  })
})

describe('a job that is observed', () => {
  it('gives the past, then the present, each event once and in order', async () => {
    let answer: (past: unknown[]) => void = () => undefined
    const { wire, push } = fakeWire({ 'jobs.history': () => new Promise((resolve) => (answer = resolve)) })
    const door = await makeDoor(wire, noPicker)
    const got: number[] = []
    door.jobs.observe('j', (events) => got.push(...events.map(({ seq }) => seq)))
    await settled()
    // Two arrive while the past is on its way; one of them is part of it.
    push({ type: 'job', id: 'j', events: [step(3), step(4)] })
    push({ type: 'job', id: 'other', events: [step(9)] })
    expect(got).toEqual([])
    answer([step(1), step(2), step(3)])
    await settled()
    push({ type: 'job', id: 'j', events: [step(5)] })
    expect(got).toEqual([1, 2, 3, 4, 5])
  })
  it('catches up after the connection was lost', async () => {
    const past = [step(1)]
    const { wire, connection } = fakeWire({ 'jobs.history': () => [...past] })
    const door = await makeDoor(wire, noPicker)
    const got: number[] = []
    door.jobs.observe('j', (events) => got.push(...events.map(({ seq }) => seq)))
    await settled()
    past.push(step(2), step(3))
    connection('lost')
    connection('open')
    await settled()
    expect(got).toEqual([1, 2, 3])
  })
})

describe('files', () => {
  it('are asked for natively on the desktop', async () => {
    const { wire, asked } = fakeWire({ pick: () => '/m.onnx' }, 'electron')
    const door = await makeDoor(wire, () => Promise.reject(new Error('not asked')))
    expect(await door.pickFile('model')).toBe('/m.onnx')
    expect(asked.at(-1)).toEqual(['pick', { mode: 'file', kind: 'model', purpose: 'read' }])
  })
  it('are asked for by the page in a browser, and told to the program', async () => {
    const { wire, asked } = fakeWire({ 'files.choose': ({ path }: { path: string }) => path })
    let wanted: string | undefined = '/out'
    const door = await makeDoor(wire, () => Promise.resolve(wanted))
    expect(await door.pickFolder('write')).toBe('/out')
    expect(asked.at(-1)).toEqual(['files.choose', { path: '/out', purpose: 'write' }])
    wanted = undefined
    expect(await door.pickFile('model')).toBe(undefined)
    expect(asked).toHaveLength(2)
  })
  it('that the system opened wait for a listener', async () => {
    let open = ['/a.onnx']
    const { wire, push } = fakeWire({ 'open.take': () => open.splice(0) })
    const door = await makeDoor(wire, noPicker)
    push({ type: 'open' })
    await settled()
    const got: string[][] = []
    door.onOpenFiles((paths) => got.push(paths))
    await settled()
    open = ['/b.onnx']
    push({ type: 'open' })
    await settled()
    expect(got).toEqual([['/a.onnx'], ['/b.onnx']])
  })
  it('keep their order when they are dropped', async () => {
    const door = await makeDoor(fakeWire({}).wire, noPicker)
    const files = ['b', 'a'].map((name) => new File([], name))
    expect(await door.pathsOfDroppedFiles(files)).toEqual(['/inbox/b', '/inbox/a'])
    expect(await door.pathOfDroppedFile(files[1]!)).toBe('/inbox/a')
  })
})
