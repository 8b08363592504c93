import { afterEach, describe, expect, it } from 'vitest'
import Database from 'better-sqlite3'
import { fork, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { OptionError } from '../errors.ts'
import { isAlive, newId, openStore, type Store, StoreFromFutureError, thisHost } from './index.ts'
import { defaultStorePath } from './location.ts'
import { migrate, type Migration } from './migrate.ts'
import { migrations } from './migrations/list.gen.ts'

const folders: string[] = []
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'stillroom-store-'))
  folders.push(path)
  return path
}
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true })
})

const RUN = { kind: 'distill', recipe: { teacher: 't.onnx' }, seed: 7, engineVersion: '0.1.0' }
const writer = new URL('./testing/writer.ts', import.meta.url)
const withStore = <T>(use: (store: Store, path: string) => T): T => {
  const path = join(folder(), 'store.sqlite')
  const store = openStore(path)
  try {
    return use(store, path)
  } finally {
    store.close()
  }
}

describe('runs', () => {
  it('keeps what it was given, through all states', () =>
    withStore((store) => {
      const run = store.createRun({ ...RUN, models: { teacher: 'ab' }, out: '/o' })
      expect(run).toMatchObject({
        ...RUN,
        status: 'queued',
        models: { teacher: 'ab' },
        out: '/o',
        host: null,
        resolved: null,
        error: null,
      })
      expect(store.claimRun(run.id)).toMatchObject({ status: 'running', host: thisHost() })
      store.changeRun(run.id, { resolved: { lr: 0.1 } })
      store.endRun(run.id, { status: 'done', result: { top1: 0.9 } })
      expect(store.getRun(run.id)).toMatchObject({
        status: 'done',
        resolved: { lr: 0.1 },
        result: { top1: 0.9 },
        models: { teacher: 'ab' },
      })
      expect(() => store.claimRun(run.id)).toThrow(/is done/)
    }))

  it('lists newest first, by state and limit', () =>
    withStore((store) => {
      const ids = [1, 2, 3].map(() => store.createRun(RUN).id)
      store.endRun(ids[0]!, { status: 'failed' })
      expect(store.listRuns().map((run) => run.id)).toEqual(ids.toReversed())
      expect(store.listRuns({ limit: 1 }).map((run) => run.id)).toEqual([ids[2]])
      expect(store.listRuns({ status: 'failed' }).map((run) => run.id)).toEqual([ids[0]])
    }))

  it('forgets points and checkpoints after a step, and everything of a deleted run', () =>
    withStore((store) => {
      const { id } = store.createRun(RUN)
      store.addMetrics(
        id,
        [1, 2, 3].map((step) => ({ split: 'train', name: 'loss', step, value: step === 3 ? NaN : -step })),
      )
      for (const step of [1, 2, 3]) store.addCheckpoint(id, step, `/c/${step}`)
      store.addEvents(id, [{ level: 'info', text: 'hello' }])
      expect(store.lastMetrics(id)).toEqual([{ split: 'train', name: 'loss', step: 3, value: NaN }])
      store.rewindRun(id, 2)
      expect(store.metrics(id).map((point) => point.value)).toEqual([-1, -2])
      expect(store.checkpoints(id).map((checkpoint) => checkpoint.step)).toEqual([1, 2])
      const path = store.runFolder(id)
      writeFileSync(join(path, 'file'), '')
      store.deleteRun(id)
      expect([existsSync(path), store.metrics(id), store.events(id), store.checkpoints(id)]).toEqual([false, [], [], []])
      expect(() => store.getRun(id)).toThrow(OptionError)
    }))

  it('follows artifacts to what they were made from, nearest first', () =>
    withStore((store) => {
      const run = store.createRun(RUN).id
      const make = (kind: string, parents: string[]): string =>
        store.addArtifact({ run, kind, path: kind, bytes: 1, sha256: kind, parents }).id
      const teacher = make('teacher', ['gone'])
      const student = make('student', [teacher])
      const int8 = make('int8', [student, teacher])
      expect(store.lineage(int8).map((artifact) => artifact.kind)).toEqual(['int8', 'teacher', 'student'])
      expect(store.artifacts(run)[2]!.parents).toEqual([teacher, student].sort())
    }))

  it('remembers tuning results', () =>
    withStore((store) => {
      store.tuning.remember('cpu conv 3x3', { plan: 'blocked', ms: 1.5 })
      expect([store.tuning.recall('cpu conv 3x3'), store.tuning.recall('other')]).toEqual([{ plan: 'blocked', ms: 1.5 }, undefined])
    }))
})

describe('hosts', () => {
  it('knows the living from the dead and from a reused pid', () => {
    const host = thisHost()
    expect(isAlive(host)).toBe(true)
    if (host.start !== null) expect(isAlive({ ...host, start: 'another time' })).toBe(false)
    expect(isAlive({ ...host, pid: 2 ** 22 + 1 })).toBe(false)
    expect(isAlive({ ...host, pid: 2 ** 22 + 1, machine: 'elsewhere' })).toBe(true)
  })

  it('refuses a run that another living process executes, until that process is dead', async () => {
    const path = join(folder(), 'store.sqlite')
    const store = openStore(path)
    const child = fork(writer, [path, 'hold'])
    const run = await new Promise<string>((resolve) => child.once('message', (message) => resolve(String(message))))
    expect(store.getRun(run).status).toBe('running')
    expect(() => store.claimRun(run)).toThrow(/executes it/)
    expect(() => store.deleteRun(run)).toThrow(/executes it/)
    expect(store.settleDeadRuns()).toEqual([])
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    expect(store.getRun(run).status).toBe('interrupted')
    expect(store.settleDeadRuns()).toEqual([run])
    expect(store.getRun(run)).toMatchObject({ status: 'interrupted', error: { code: 'engine-exited' } })
    expect(store.claimRun(run).status).toBe('running')
    store.close()
  })
})

describe('crashes', () => {
  it('is sound after a writer was killed in the middle of its work', async () => {
    const path = join(folder(), 'store.sqlite')
    for (const delay of [0, 7, 31, 83]) {
      const child = fork(writer, [path, 'write'])
      await new Promise((resolve) => child.once('message', resolve))
      await sleep(delay)
      child.kill('SIGKILL')
      await new Promise((resolve) => child.once('exit', resolve))
      const store = openStore(path)
      expect(store.integrityCheck()).toEqual([])
      // Each transaction of the writer holds ten points: a number between would be half a transaction.
      const [run] = store.listRuns()
      expect(store.metrics(run!.id).length % 10).toBe(0)
      store.close()
    }
  })

  it('lets two processes create, migrate and write one store at once', async () => {
    const path = join(folder(), 'deep', 'er', 'store.sqlite')
    const children = [1, 2].map(() =>
      spawn(process.execPath, [writer.pathname, path, 'some'], { stdio: ['ignore', 'ignore', 'inherit'] }),
    )
    const codes = await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))))
    expect(codes).toEqual([0, 0])
    const store = openStore(path)
    expect(store.listRuns().map((run) => store.metrics(run.id).length)).toEqual([200, 200])
    expect(store.integrityCheck()).toEqual([])
    store.close()
  })

  it('reports what is broken', () => {
    const path = join(folder(), 'store.sqlite')
    openStore(path).close()
    const db = new Database(path)
    db.pragma('foreign_keys = OFF')
    db.exec("INSERT INTO checkpoints VALUES ('nobody', 1, '', '')")
    db.close()
    const store = openStore(path)
    expect(store.integrityCheck()).toEqual([expect.stringMatching(/^checkpoints: .*missing row of runs$/)])
    store.close()
  })
})

describe('hostile input', () => {
  it.each([
    '',
    '.',
    '..',
    '../../etc',
    'a/b',
    '..\\..',
    '/etc/passwd',
    '0'.repeat(13),
    '0'.repeat(15),
    `${'0'.repeat(13)}/`,
    'CON',
    '\0'.repeat(14),
  ])('never takes %j into a path', (id) =>
    withStore((store) => {
      for (const call of [store.runFolder, store.deleteRun, store.getRun, store.claimRun])
        expect(() => call(id)).toThrow(OptionError)
    }),
  )

  it('removes a link in place of a run folder, not what it points to', () =>
    withStore((store, path) => {
      const { id } = store.createRun(RUN)
      const precious = join(folder(), 'precious')
      mkdirSync(precious)
      mkdirSync(join(path, '..', 'runs'))
      symlinkSync(precious, join(path, '..', 'runs', id))
      store.deleteRun(id)
      expect(existsSync(precious)).toBe(true)
    }))

  it.each([
    ['a folder', (path: string) => mkdirSync(path), /is a folder/],
    ['some other file', (path: string) => writeFileSync(path, 'x'.repeat(5000)), /cannot be opened as a run store/],
    [
      'the database of another program',
      (path: string) => new Database(path).exec('CREATE TABLE mine (x)').close(),
      /another program/,
    ],
  ])('refuses %s and leaves it alone', (_, make, message) => {
    const path = join(folder(), 'store.sqlite')
    make(path)
    const before = statSync(path).isFile() ? readFileSync(path) : undefined
    expect(() => openStore(path)).toThrow(message)
    if (before) expect(readFileSync(path).equals(before)).toBe(true)
    expect(() => openStore(path)).toThrow(OptionError)
  })
})

describe('labels', () => {
  it('keep what is left out, and are empty at first', () => {
    const store = openStore(':memory:')
    const { id, ...run } = store.createRun({ kind: 'distill', recipe: {}, seed: 1, engineVersion: 'v' })
    expect(run).toMatchObject({ name: '', tags: [], note: '' })
    store.changeRun(id, { name: 'first', tags: ['a', 'b'] })
    store.changeRun(id, { note: 'it is "quoted"; DROP TABLE runs' })
    expect(store.getRun(id)).toMatchObject({ name: 'first', tags: ['a', 'b'], note: 'it is "quoted"; DROP TABLE runs' })
    store.changeRun(id, { tags: [] })
    expect(store.getRun(id)).toMatchObject({ name: 'first', tags: [] })
    store.close()
  })
})

describe('the library', () => {
  it('holds a path once, gathers facts, and forgets', () => {
    const store = openStore(':memory:')
    store.addToLibrary('model', '/m.onnx', { nodes: 3 })
    store.addToLibrary('data', '/d', {})
    expect(store.addToLibrary('model', '/m.onnx', { bytes: 9 }).facts).toEqual({ nodes: 3, bytes: 9 })
    expect(store.libraryEntries('model').map(({ path }) => path)).toEqual(['/m.onnx'])
    expect(store.libraryEntries()).toHaveLength(2)
    expect([store.removeFromLibrary('data', '/m.onnx'), store.removeFromLibrary('model', '/m.onnx')]).toEqual([false, true])
    expect(store.libraryEntries('model')).toEqual([])
    store.close()
  })
})

describe('migrations', () => {
  it('refuses a store of a newer program', () => {
    const path = join(folder(), 'store.sqlite')
    openStore(path).close()
    new Database(path).exec('PRAGMA user_version = 9000').close()
    expect(() => openStore(path)).toThrow(StoreFromFutureError)
  })

  it('brings rows of every earlier schema along', () => {
    for (const [i, { id }] of migrations.entries()) {
      const path = join(folder(), 'store.sqlite')
      const db = new Database(path)
      migrate(db, migrations.slice(0, i + 1))
      expect(db.pragma('user_version', { simple: true })).toBe(id)
      const names =
        'id, kind, status, created, started, ended, hostPid, hostStart, hostMachine, recipe, resolved, engineVersion, seed, models, out, error, result'
      const values =
        "'0123456789abcd', 'distill', 'done', 't0', 't1', 't2', 1, 's', 'm', '{\"a\":1}', NULL, 'v', 3, '{}', NULL, NULL, '{\"b\":2}'"
      db.exec(`INSERT INTO runs (${names}) VALUES (${values})`)
      db.close()
      const store = openStore(path)
      expect(store.listRuns()).toMatchObject([{ id: '0123456789abcd', recipe: { a: 1 }, result: { b: 2 }, seed: 3 }])
      expect(store.integrityCheck()).toEqual([])
      store.close()
    }
  })

  it('leaves the store as it was when a step fails, and wants growing numbers', () => {
    const db = new Database(':memory:')
    const good: Migration = { id: 10, name: 'good', up: (to) => void to.exec('CREATE TABLE good (x)') }
    const bad: Migration = { id: 20, name: 'bad', up: (to) => void to.exec('CREATE TABLE good (x)') }
    expect(() => migrate(db, [good, bad])).toThrow(/already exists/)
    expect(db.pragma('user_version', { simple: true })).toBe(0)
    expect(() => migrate(db, [bad, good])).toThrow(/numbers must grow/)
    migrate(db, [good])
    expect(db.pragma('user_version', { simple: true })).toBe(10)
  })
})

describe('ids and places', () => {
  it('makes ids that sort by time, also within a millisecond and when the clock is set back', () => {
    const ids = [newId(1000), ...Array.from({ length: 999 }, () => newId()), newId(5)]
    expect(ids.toSorted()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('puts the store where the system wants it', () => {
    expect(defaultStorePath({ STILLROOM_STORE: '/x/y' }, 'linux')).toBe('/x/y')
    expect(defaultStorePath({ XDG_DATA_HOME: '/d' }, 'linux')).toBe(join('/d', 'stillroom', 'store.sqlite'))
    expect(defaultStorePath({ XDG_DATA_HOME: 'relative', HOME: '/h' }, 'linux')).toBe(
      join('/h', '.local', 'share', 'stillroom', 'store.sqlite'),
    )
    expect(defaultStorePath({ APPDATA: '/a' }, 'win32')).toBe(join('/a', 'stillroom', 'store.sqlite'))
    expect(defaultStorePath({}, 'darwin')).toMatch(/Library.Application Support.stillroom.store\.sqlite$/)
  })
})
