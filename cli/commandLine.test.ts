import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

const fake = fileURLToPath(new URL('./testing/fakeMain.ts', import.meta.url))
const real = fileURLToPath(new URL('./main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'stillroom-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const store = join(folder, 'store.sqlite')

const start = (entry: string, args: readonly string[]): ChildProcess =>
  spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, STILLROOM_STORE: store } })

interface Ended {
  code: number | null
  out: string
  err: string
}

function ending(child: ChildProcess): Promise<Ended> {
  let [out, err] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (err += text))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })))
}
const stillroom = (entry: string, ...args: string[]): Promise<Ended> => ending(start(entry, args))

/** The one JSON document on standard output; throws when there is anything else. */
const json = ({ out }: Ended) =>
  JSON.parse(out) as Record<string, never> & { error: { code: string; message: string; where: string; hint: string } }

const DISTILL = ['distill', '--teacher', 't.onnx', '--data', 'd', '--student', 'template:mlp', '--method', 'hinton-kd', '--json']

/** Start a distillation, wait until it is under way; the stand-in tells its process id in a message. */
async function distilling(steps: number): Promise<{ child: ChildProcess; end: Promise<Ended>; run: string; host: number }> {
  const child = start(fake, [...DISTILL, '--steps', String(steps)])
  const end = ending(child)
  let text = ''
  const [run, host] = await new Promise<[string, number]>((resolve) =>
    child.stderr!.on('data', (more: string) => {
      text += more
      const found = /^run (\w+)\nhost (\d+)\nstep /m.exec(text)
      if (found) resolve([found[1]!, Number(found[2])])
    }),
  )
  return { child, end, run, host }
}

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe.concurrent('exit codes and output', () => {
  it('prints one JSON document, whatever native code prints', async () => {
    const ended = await stillroom(fake, 'inspect', 'print', '--json')
    expect(json(ended)).toMatchObject({ format: 'onnx', opset: 17 })
    expect(ended).toMatchObject({ code: 0, err: expect.stringContaining('native code prints here') })
  })

  it('prints a table for people', async () => {
    const { code, out } = await stillroom(fake, 'inspect', 'model')
    expect(code).toBe(0)
    expect(out).toMatch(/^nodes +1$/m)
  })

  it.each([
    ['wrong usage', ['inspect'], 2, 'option'],
    ['no such verb', ['sing'], 2, 'option'],
    ['a bad model', ['inspect', 'bad'], 3, 'model'],
    ['a native crash on a model', ['inspect', 'crash'], 3, 'engine-exited'],
    ['no handler yet', ['devices'], 4, 'unsupported'],
    ['a verb to come', ['prune', 'x'], 4, 'unsupported'],
    ['an unknown run', ['runs', 'show', '0123456789abcd'], 2, 'option'],
  ])('%s', async (_, args, code, kind) => {
    const ended = await stillroom(fake, ...args, '--json')
    expect({ code: ended.code, error: json(ended).error.code }).toEqual({ code, error: kind })
    expect(ended.out.trim().split('\n')).toHaveLength(1)
    expect(json(ended).error.message).not.toBe('')
  })

  it('says what is wrong in one clean line', async () => {
    const { code, out, err } = await stillroom(fake, 'inspect', 'bad')
    expect({ code, out }).toEqual({ code: 3, out: '' })
    expect(err).toMatch(/^stillroom: .*bad: node 'conv1': first line \| second \?\[31mline\n$/)
  })

  it.each([
    ['nothing there', join(folder, 'nothing')],
    ['a file where a folder should be', join(real, 'inside')],
  ])('data: %s', async (_, path) => {
    const ended = await stillroom(real, 'data', 'inspect', path, '--json')
    expect(ended.code).toBe(3)
    expect(json(ended).error).toMatchObject({ code: 'data' })
  })

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('data: permission denied', async () => {
    const path = mkdtempSync(join(folder, 'closed-'))
    chmodSync(path, 0)
    expect((await stillroom(real, 'data', 'inspect', path)).code).toBe(3)
  })

  it('does not mind that its reader went away', async () => {
    const child = start(fake, ['distill', '--help'])
    child.stdout!.destroy()
    const { code, err } = await ending(child)
    expect({ code, err }).toEqual({ code: 0, err: '' })
  })

  it('goes on with a run when nobody reads the progress', async () => {
    const child = start(fake, [...DISTILL, '--steps', '5'])
    child.stderr!.destroy()
    const ended = await ending(child)
    expect(ended.code).toBe(0)
    expect(json(ended)).toMatchObject({ steps: 5 })
  })

  it('is silent when asked', async () => {
    const ended = await stillroom(fake, ...DISTILL, '--steps', '3', '--quiet')
    expect({ code: ended.code, err: ended.err }).toEqual({ code: 0, err: '' })
  })
})

describe.concurrent('interruption', () => {
  it('a killed engine host leaves a run that says so, and resume finishes it', async () => {
    const { end, run, host } = await distilling(100)
    process.kill(host, 'SIGKILL')
    const ended = await end
    expect(ended.code).toBe(130)
    expect(json(ended).error).toMatchObject({
      code: 'engine-exited',
      where: run,
      hint: expect.stringContaining(`runs resume ${run}`),
    })
    const shown = json(await stillroom(fake, 'runs', 'show', run, '--json')) as unknown as { checkpointStep: number | null }
    expect(shown).toMatchObject({ status: 'interrupted', error: { code: 'engine-exited' } })
    const resumed = await stillroom(fake, 'runs', 'resume', run, '--json')
    expect(resumed.code).toBe(0)
    expect(json(resumed)).toMatchObject({ run, steps: 100, resumedFromStep: shown.checkpointStep ?? 0 })
    expect((await stillroom(fake, 'runs', 'resume', run)).code).toBe(2)
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('%s stops politely', async (signal) => {
    const { child, end, run } = await distilling(500)
    child.kill(signal)
    const ended = await end
    expect(ended.code).toBe(130)
    expect(json(ended).error).toMatchObject({ code: 'interrupted', where: run })
    expect(json(await stillroom(fake, 'runs', 'show', run, '--json'))).toMatchObject({ status: 'stopped' })
  })

  it('a command without a run ends at the first signal', async () => {
    const child = start(fake, ['inspect', 'hang', '--json'])
    // It says so when it hangs: a signal before that finds a process that has not started.
    child.stderr!.once('data', () => child.kill('SIGINT'))
    const ended = await ending(child)
    expect({ code: ended.code, error: json(ended).error.code }).toEqual({ code: 130, error: 'interrupted' })
  })

  it('a host whose parent was killed writes its checkpoint and leaves', async () => {
    const { child, end, run, host } = await distilling(500)
    child.kill('SIGKILL')
    await end
    for (let i = 0; i < 100 && lives(host); i++) await new Promise((resolve) => setTimeout(resolve, 50))
    expect(lives(host)).toBe(false)
    expect(json(await stillroom(fake, 'runs', 'show', run, '--json'))).toMatchObject({ status: 'stopped' })
  })
})

describe('runs', () => {
  it('lists, shows, compares, exports and deletes', async () => {
    const ids = []
    for (const steps of ['2', '3']) {
      const done = json(await stillroom(fake, ...DISTILL, '--steps', steps, '--quiet')) as unknown as { run: string }
      ids.push(done.run)
    }
    const { runs } = json(await stillroom(fake, 'runs', 'list', '--json', '--limit', '2')) as unknown as { runs: { id: string }[] }
    expect(runs.map((run) => run.id)).toEqual(ids.toReversed())
    const compared = json(await stillroom(fake, 'runs', 'compare', ...ids, '--json')) as unknown as Record<string, unknown>
    expect(compared).toMatchObject({ differences: [{ field: 'steps', values: [2, 3] }], results: { steps: [2, 3] } })
    const file = join(folder, 'run.json')
    expect((await stillroom(fake, 'runs', 'export', ids[0]!, '--out', file)).code).toBe(0)
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ id: ids[0], status: 'done', curves: [], events: [] })
    expect((await stillroom(fake, 'runs', 'export', ids[0]!, '--out', file)).code).toBe(2)
    expect(existsSync(join(folder, 'runs', ids[0]!))).toBe(true)
    expect((await stillroom(fake, 'runs', 'delete', ids[0]!)).code).toBe(0)
    expect(existsSync(join(folder, 'runs', ids[0]!))).toBe(false)
    for (const args of [['list'], ['show', ids[1]!]]) expect((await stillroom(fake, 'runs', ...args)).out).toContain(ids[1])
  })
})
