import type Database from 'better-sqlite3'
import { existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { OptionError } from '../../errors.ts'
import { isAlive, thisHost } from '../host.ts'
import { checkedId, newId } from '../id.ts'
import type { Run, RunStatus, Store } from '../types.ts'

interface Row {
  id: string
  kind: string
  status: RunStatus
  created: string
  started: string | null
  ended: string | null
  hostPid: number | null
  hostStart: string | null
  hostMachine: string | null
  recipe: string
  resolved: string | null
  engineVersion: string
  seed: number
  models: string
  out: string | null
  error: string | null
  result: string | null
  name: string
  tags: string
  note: string
}

const parsed = (text: string | null): unknown => (text === null ? null : JSON.parse(text))
const text = (value: unknown): string | null => (value === undefined || value === null ? null : JSON.stringify(value))
const now = (): string => new Date().toISOString()

/** A row as callers see it: a run that says `running` while its host is gone is an interrupted one. */
function toRun(row: Row): Run {
  const { hostPid, hostStart, hostMachine, ...rest } = row
  const host = hostPid === null ? null : { pid: hostPid, start: hostStart, machine: hostMachine ?? '' }
  return {
    ...rest,
    status: row.status === 'running' && (host === null || !isAlive(host)) ? 'interrupted' : row.status,
    host,
    recipe: parsed(row.recipe),
    resolved: parsed(row.resolved),
    models: parsed(row.models) as Record<string, string>,
    error: parsed(row.error) as Run['error'],
    result: parsed(row.result),
    tags: parsed(row.tags) as string[],
  }
}

type RunPart =
  | 'createRun'
  | 'claimRun'
  | 'changeRun'
  | 'endRun'
  | 'getRun'
  | 'listRuns'
  | 'settleDeadRuns'
  | 'deleteRun'
  | 'runFolder'
  | 'rewindRun'

/** The `runs` table and the run folders. */
export function runsTable(db: Database.Database): Pick<Store, RunPart> {
  const insert = db.prepare(`
    INSERT INTO runs (id, kind, status, created, recipe, resolved, engineVersion, seed, models, out)
    VALUES (@id, @kind, 'queued', @created, @recipe, @resolved, @engineVersion, @seed, @models, @out)`)
  const one = db.prepare<[string], Row>('SELECT * FROM runs WHERE id = ?')
  const all = db.prepare<[], Row>('SELECT * FROM runs ORDER BY id DESC')
  const running = db.prepare<[], Row>("SELECT * FROM runs WHERE status = 'running'")
  const claim = db.prepare(`
    UPDATE runs SET status = 'running', started = coalesce(started, @at), ended = NULL, error = NULL, result = NULL,
      hostPid = @pid, hostStart = @start, hostMachine = @machine WHERE id = @id`)
  const end = db.prepare('UPDATE runs SET status = @status, ended = @at, error = @error, result = @result WHERE id = @id')
  const change = db.prepare(`
    UPDATE runs SET resolved = coalesce(@resolved, resolved), models = coalesce(@models, models), out = coalesce(@out, out),
      name = coalesce(@name, name), tags = coalesce(@tags, tags), note = coalesce(@note, note)
    WHERE id = @id`)
  const remove = db.prepare('DELETE FROM runs WHERE id = ?')

  const row = (id: string): Row => {
    const found = one.get(checkedId(id))
    if (found) return found
    throw new OptionError(`the store ${db.name} has no run '${id}'`, { where: 'id', hint: '`stillroom runs list` shows the ids' })
  }
  // Ids are checked before they become part of a path, so the folder is always a direct child of `runs`.
  const folder = (id: string): string => join(db.memory ? resolve('runs') : join(dirname(db.name), 'runs'), checkedId(id))
  const refuseBusy = (run: Run, what: string): void => {
    const mine = run.host?.pid === process.pid && run.host.start === thisHost().start
    if (run.status === 'running' && !mine) {
      throw new OptionError(`run ${run.id} cannot be ${what}: process ${run.host?.pid} on ${run.host?.machine} executes it`, {
        where: 'id',
        hint: 'stop that process first',
      })
    }
  }

  return {
    createRun(run) {
      const id = newId()
      insert.run({
        id,
        kind: run.kind,
        created: now(),
        recipe: text(run.recipe) ?? 'null',
        resolved: text(run.resolved),
        engineVersion: run.engineVersion,
        seed: run.seed,
        models: text(run.models ?? {}),
        out: run.out ?? null,
      })
      return toRun(row(id))
    },
    claimRun: db.transaction((id: string) => {
      const run = toRun(row(id))
      refuseBusy(run, 'started')
      if (run.status === 'done') throw new OptionError(`run ${id} is done; there is nothing to go on with`, { where: 'id' })
      claim.run({ id, at: now(), ...thisHost() })
      return toRun(row(id))
    }).immediate,
    changeRun(id, changes) {
      row(id)
      change.run({
        id,
        resolved: text(changes.resolved),
        models: text(changes.models),
        out: changes.out ?? null,
        name: changes.name ?? null,
        tags: text(changes.tags),
        note: changes.note ?? null,
      })
    },
    endRun(id, { status, error, result }) {
      row(id)
      end.run({ id, status, at: now(), error: text(error), result: text(result) })
    },
    getRun: (id) => toRun(row(id)),
    listRuns({ limit, status } = {}) {
      // Filtered here: whether a host lives is not for SQL to say.
      const runs = all.all().map(toRun)
      return (status === undefined ? runs : runs.filter((run) => run.status === status)).slice(0, limit)
    },
    settleDeadRuns: db.transaction(() => {
      const dead = running
        .all()
        .map(toRun)
        .filter((run) => run.status === 'interrupted')
      for (const { id } of dead) {
        const error = text({ code: 'engine-exited', message: 'the engine process ended while the run was going', where: id })
        end.run({ id, status: 'interrupted', at: now(), error, result: null })
      }
      return dead.map((run) => run.id)
    }).immediate,
    deleteRun(id) {
      refuseBusy(toRun(row(id)), 'deleted')
      remove.run(id)
      const path = folder(id)
      // A link in place of the folder is removed itself, never what it points to.
      if (existsSync(path) || lstatSync(path, { throwIfNoEntry: false })) rmSync(path, { recursive: true, force: true })
    },
    runFolder(id) {
      const path = folder(id)
      mkdirSync(path, { recursive: true })
      return path
    },
    rewindRun: db.transaction((id: string, step: number) => {
      row(id)
      db.prepare('DELETE FROM metrics WHERE run = ? AND step > ?').run(id, step)
      db.prepare('DELETE FROM checkpoints WHERE run = ? AND step > ?').run(id, step)
    }).immediate,
  }
}
