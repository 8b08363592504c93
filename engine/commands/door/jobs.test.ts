import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { Job, JobEvent } from '../contract/index.ts'
import { childProcess } from '../transports.ts'
import { makeHistory } from './history.ts'
import { type JobQueue, openJobs } from './jobs.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-jobs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const host = new URL('../testing/fakeHost.ts', import.meta.url)
const store = join(folder, 'store.sqlite')
const distill = (steps: number) => ({ teacher: 't', data: 'd', student: 's', method: ['kd'], steps, store })

let files = 0
const open: JobQueue[] = []
function queueAt(file = join(folder, `jobs-${files++}.json`), concurrency = 1) {
  const events = new Map<string, JobEvent[]>()
  const ended: string[] = []
  const jobs = openJobs({
    start: () => childProcess(host),
    file,
    concurrency,
    onQueue: () => undefined,
    onEvents: (id, more) => events.set(id, [...(events.get(id) ?? []), ...more]),
    onEnd: ({ id }) => ended.push(id),
  })
  open.push(jobs)
  return { jobs, events, ended, file }
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((jobs) => jobs.close(0)))
})

async function until<T>(look: () => T | undefined | false, what: string): Promise<T> {
  for (let i = 0; i < 500; i++) {
    const found = look()
    if (found) return found
    await sleep(20)
  }
  throw new Error(`waited in vain for ${what}`)
}
const reaches = (jobs: JobQueue, id: string, ...states: Job['state'][]) =>
  until(() => states.includes(jobs.get(id).state) && jobs.get(id), `${id} to be ${states.join(' or ')}`)
const atStep = (jobs: JobQueue, id: string) => until(() => jobs.get(id).progress?.event === 'step', 'a step')

describe('the queue', () => {
  it('runs one at a time, the most urgent first, and tells what happened', async () => {
    const { jobs, events, ended } = queueAt()
    const first = jobs.add('distill', distill(3), { title: 'first' })
    const [low, high] = [
      jobs.add('inspect', { model: 'low' }, { priority: -1 }),
      jobs.add('inspect', { model: 'high' }, { priority: 5 }),
    ]
    expect(jobs.queue().jobs.map(({ id, state }) => [id, state])).toEqual([
      [first.id, 'running'],
      [high.id, 'queued'],
      [low.id, 'queued'],
    ])
    await until(() => ended.length === 3, 'three ends')
    expect(ended).toEqual([first.id, high.id, low.id])
    expect(jobs.get(first.id)).toMatchObject({ state: 'done', run: expect.any(String), result: { steps: 3 }, resumable: false })
    const seen = events.get(first.id)!.map(({ event }) => event)
    expect(seen).toEqual(['started', 'message', 'step', 'step', 'step'])
    expect(jobs.history(first.id)).toEqual(events.get(first.id))
  })

  it('runs as many at a time as chosen, and none while it is held', async () => {
    const { jobs } = queueAt(undefined, 2)
    jobs.setHeld(true)
    const all = [1, 2, 3].map((n) => jobs.add('distill', distill(1000), { title: String(n) }))
    const states = () => all.map(({ id }) => jobs.get(id).state)
    expect(states()).toEqual(['queued', 'queued', 'queued'])
    jobs.reorder(all[2]!.id, all[0]!.id)
    jobs.setHeld(false)
    expect(states()).toEqual(['running', 'queued', 'running'])
    jobs.setConcurrency(3)
    expect(states()).toEqual(['running', 'running', 'running'])
    expect(() => jobs.reorder(all[0]!.id, null)).toThrow('does not wait any more')
  })

  it.each([
    ['no such command', 'sing', {}, /no command/],
    ['a command that answers at once', 'runs.list', {}, /is no job/],
    ['a wrong input', 'distill', { teacher: 't' }, /expected/],
  ])('refuses %s', (_, command, input, message) => {
    const { jobs } = queueAt()
    expect(() => jobs.add(command, input)).toThrow(message)
    expect(jobs.queue().jobs).toEqual([])
  })
})

describe('ends', () => {
  it('pauses with a checkpoint, and goes on from there', async () => {
    const { jobs, ended } = queueAt()
    const { id } = jobs.add('distill', distill(12))
    await atStep(jobs, id)
    jobs.cancel(id, false)
    expect(jobs.get(id).state).toBe('stopping')
    const stopped = await reaches(jobs, id, 'stopped')
    expect([stopped.resumable, ended]).toEqual([true, []])
    const next = jobs.resume(id)
    expect(jobs.get(id).resumable).toBe(false)
    expect(await reaches(jobs, next.id, 'done')).toMatchObject({ run: stopped.run, result: { steps: 12 } })
    expect((jobs.get(next.id).result as { resumedFromStep: number }).resumedFromStep).toBeGreaterThan(0)
    expect(() => jobs.resume(id)).toThrow('left no run to go on with')
  })

  it('shows the run of a host that died as interrupted', async () => {
    const { jobs, ended } = queueAt()
    const { id } = jobs.add('distill', distill(1000))
    await atStep(jobs, id)
    const pid = /host (\d+)/.exec(JSON.stringify(jobs.history(id)))![1]
    process.kill(Number(pid), 'SIGKILL')
    expect(await reaches(jobs, id, 'interrupted')).toMatchObject({ resumable: true, error: { code: 'engine-exited' } })
    expect(ended).toEqual([id])
  })

  it('tells a crash without a run, a failure and a cancelled job apart', async () => {
    const { jobs } = queueAt(undefined, 4)
    const [crash, bad, hang] = ['crash', 'bad', 'hang'].map((model) => jobs.add('inspect', { model }))
    jobs.setHeld(true)
    const never = jobs.add('inspect', { model: 'x' })
    expect(await reaches(jobs, crash!.id, 'failed')).toMatchObject({ resumable: false, error: { code: 'engine-exited' } })
    expect(await reaches(jobs, bad!.id, 'failed')).toMatchObject({ error: { code: 'model', where: 'bad' } })
    jobs.cancel(hang!.id, false)
    jobs.cancel(never.id, false)
    await reaches(jobs, hang!.id, 'cancelled')
    await reaches(jobs, never.id, 'cancelled')
    jobs.remove(null)
    expect(jobs.queue().jobs).toEqual([])
  })
})

describe('between two starts', () => {
  it('stops what runs when it is closed, and goes on with what waits', async () => {
    const first = queueAt()
    const running = first.jobs.add('distill', distill(1000))
    const waiting = first.jobs.add('inspect', { model: 'later' })
    await atStep(first.jobs, running.id)
    await first.jobs.close(10_000)
    const second = queueAt(first.file)
    expect(second.jobs.get(running.id)).toMatchObject({ state: 'interrupted', resumable: true })
    await reaches(second.jobs, waiting.id, 'done')
  })

  it('takes what ran in a program that died as interrupted', async () => {
    const first = queueAt()
    const { id } = first.jobs.add('distill', distill(1000))
    await until(() => first.jobs.get(id).run, 'the run')
    // What a killed program leaves is what it wrote last.
    const left = join(folder, 'left.json')
    writeFileSync(left, readFileSync(first.file))
    const second = queueAt(left)
    expect(second.jobs.get(id)).toMatchObject({ state: 'interrupted', resumable: true, run: first.jobs.get(id).run })
  })

  it('starts empty when its file is damaged, and keeps the file', () => {
    const file = join(folder, 'damaged.json')
    writeFileSync(file, '{"held":fal')
    expect(queueAt(file).jobs.queue().jobs).toEqual([])
    expect(readFileSync(`${file}.bad`, 'utf8')).toBe('{"held":fal')
  })
})

describe('the history of a job', () => {
  it('thins a long curve evenly and keeps its last step, and what else happened', () => {
    const history = makeHistory()
    for (let step = 1; step <= 100_000; step++) {
      history.add('step', { step }, step)
      if (step % 10_000 === 0) history.add('evaluated', { step }, step)
    }
    const all = history.all()
    const steps = all.filter(({ event }) => event === 'step').map(({ payload }) => (payload as { step: number }).step)
    expect([steps.length <= 2001, steps.length >= 1000, steps[0], steps.at(-1)]).toEqual([true, true, 1, 100_000])
    const gaps = new Set(steps.slice(1, -1).map((step, i) => step - steps[i]!))
    expect(gaps.size).toBe(1)
    expect(all.filter(({ event }) => event === 'evaluated')).toHaveLength(10)
    expect(all.every(({ seq }, i) => i === 0 || seq > all[i - 1]!.seq)).toBe(true)
  })
})
