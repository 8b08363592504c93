import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ModelError, OptionError, StillroomError } from '../errors.ts'
import { openStore } from '../runs/index.ts'
import { handler, type HandlerTable } from './handlers/handler.ts'
import {
  childProcess,
  commandNames,
  EngineExitedError,
  type FullRecipe,
  inProcess,
  makeClient,
  makeDispatcher,
  readRecipe,
} from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-commands-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const store = join(folder, 'store.sqlite')
const fakeHost = new URL('./testing/fakeHost.ts', import.meta.url)
const DISTILL = { teacher: 't', data: 'd', student: 's', method: ['kd'], store }

const data = {
  format: 'f',
  samples: 1,
  classes: [],
  labelled: false,
  kind: 'image',
  target: 'none' as const,
  sample: { shape: [1], dtype: 'uint8' },
  splits: {},
}
const client = (table: HandlerTable) => makeClient(commandNames, inProcess(makeDispatcher(table)))
const dataInspect = (handle: Parameters<typeof handler<'data.inspect'>>[0]): HandlerTable => ({
  'data.inspect': async () => ({ default: handler<'data.inspect'>(handle) }),
})

describe('in one process', () => {
  it('fills in defaults for the handler and keeps extra fields of its answer', async () => {
    let seen: unknown
    const api = client(dataInspect((input) => ((seen = input), { ...data, more: 1 })))
    expect(await api['data.inspect']({ path: 'x' })).toEqual({ ...data, more: 1 })
    expect(seen).toEqual({ path: 'x', seed: 0, provider: 'cpu' })
  })

  it('refuses a wrong input before the handler sees it, and calls a wrong answer a fault', async () => {
    const api = client(dataInspect(() => ({ ...data, samples: NaN })))
    await expect(api['data.inspect']({ path: '' })).rejects.toThrow(OptionError)
    await expect(api['data.inspect']({ path: 'x' })).rejects.toMatchObject({
      code: 'bug',
      message: expect.stringMatching(/result of data.inspect: samples/),
    })
    await expect(api['inspect']({ model: 'x' })).rejects.toMatchObject({
      code: 'unsupported',
      hint: expect.stringMatching(/handlers\/inspect\.ts/),
    })
  })

  it('delivers typed events, refuses unknown ones, and removes listeners', async () => {
    const got: unknown[] = []
    const api = client({
      inspect: async () => ({
        default: handler<'inspect'>((_, { emit }) => {
          emit('message', { level: 'info', text: 'hello' })
          emit('progress', { done: 'x' as unknown as number })
          throw new ModelError('not reached')
        }),
      }),
    })
    await expect(api.inspect({ model: 'm' }, { message: (payload) => got.push(payload) })).rejects.toMatchObject({ code: 'bug' })
    expect(got).toEqual([{ level: 'info', text: 'hello' }])
  })

  it('passes an abort on', async () => {
    const api = client(
      dataInspect(async (_, { signal }) => {
        await new Promise((resolve) => (signal.aborted ? resolve(0) : signal.addEventListener('abort', resolve)))
        throw new StillroomError('interrupted', 'stopped')
      }),
    )
    const controller = new AbortController()
    const call = api['data.inspect']({ path: 'x' }, {}, { signal: controller.signal })
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'interrupted' })
    await expect(api['data.inspect']({ path: 'x' }, {}, { signal: controller.signal })).rejects.toThrow()
  })
})

describe('in an engine host', () => {
  it('answers, sends events, and starts again after a crash', async () => {
    const host = childProcess(fakeHost)
    const api = makeClient(commandNames, host)
    const steps: number[] = []
    const done = await api.distill({ ...DISTILL, steps: 3 }, { step: ({ step }) => steps.push(step) })
    expect([done.steps, steps]).toEqual([3, [1, 2, 3]])
    await expect(api.inspect({ model: 'bad' })).rejects.toMatchObject({ code: 'model', where: 'bad' })
    const before = host.pid
    await expect(api.inspect({ model: 'crash' })).rejects.toMatchObject({
      code: 'engine-exited',
      signal: 'SIGSEGV',
      where: undefined,
    })
    expect((await api.inspect({ model: 'fine' })).opset).toBe(17)
    expect(host.pid).not.toBe(before)
    await host.close()
    expect(host.pid).toBeUndefined()
  })

  it('rejects every waiting call when it is killed, and names the run', async () => {
    const host = childProcess(fakeHost)
    const api = makeClient(commandNames, host)
    let run = ''
    const other = api.inspect({ model: 'hang' }).catch((error: unknown) => error)
    const call = api.distill(
      { ...DISTILL, steps: 1000 },
      { started: (event) => (run = event.run), step: ({ step }) => step === 2 && host.kill() },
    )
    const error: unknown = await call.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'engine-exited', where: run })
    expect(await other).toBeInstanceOf(EngineExitedError)
    const runs = openStore(store)
    expect(runs.getRun(run).status).toBe('interrupted')
    runs.close()
    const again = await makeClient(['runs.resume'], host)
      ['runs.resume']({ id: run, store }, {}, { signal: AbortSignal.timeout(1500) })
      .catch((error: unknown) => error)
    expect(again).toMatchObject({ code: 'interrupted', where: run })
    await host.close()
  })

  it('reports a host that cannot start', async () => {
    const host = childProcess(new URL('./testing/missing.ts', import.meta.url), { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    await expect(makeClient(['devices'], host).devices({})).rejects.toMatchObject({ code: 'engine-exited', signal: null })
    await host.close()
  })
})

describe('recipe files', () => {
  const write = (name: string, text: string): string => {
    const file = join(folder, name)
    writeFileSync(file, text)
    return file
  }

  it('reads YAML and JSON alike, with paths from the file and names left alone', () => {
    const yaml = write('r.yaml', 'teacher: t.onnx\ndata: builtin:glyphs\nstudent: template:mlp\ntrain: { lr: 0.1 }\n')
    const json = write('r.json', '{"teacher":"t.onnx","data":"builtin:glyphs","student":"template:mlp","train":{"lr":0.1}}')
    const expected: Partial<FullRecipe> = { teacher: join(folder, 't.onnx') }
    expect(readRecipe(yaml)).toMatchObject({ ...expected, data: { path: 'builtin:glyphs' }, student: { from: 'template:mlp' } })
    expect(readRecipe(json)).toEqual(readRecipe(yaml))
  })

  it.each([
    ['bad.json', '{"a":', /is not valid JSON/],
    ['bad.yaml', 'a: [1', /is not valid YAML/],
    ['list.yaml', '- 1', /expected an object/],
    ['empty.yaml', '', /expected an object/],
    ['key.yaml', 'data: d\nstudent: s\ntrain: { lr: abc }', /^train\.lr: expected a positive number, found 'abc'$/],
    [
      'bomb.yaml',
      `a: &a [x]\n${Array.from('bcdefghij', (c, i) => `${c}: &${c} [${`*${'abcdefghi'[i]},`.repeat(9)}]`).join('\n')}`,
      /not valid YAML|unknown key/,
    ],
  ])('refuses %s', (name, text, expected) => {
    expect(() => readRecipe(write(name, text))).toThrow(expected)
  })
})
