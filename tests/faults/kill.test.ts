import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, rmSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openStore } from '../../engine/runs/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-kill-'))
const store = join(folder, 'store.sqlite')
const main = new URL('../../cli/main.ts', import.meta.url).pathname
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const train = (out: string) => [
  main, 'train', '--data', 'builtin:glyphs?samples=400&size=12', '--student', 'template:mlp:32', '--steps', '400', '--batch', '32',
  '--checkpoint-every', '10', '--threads', '1', '--seed', '7', '--store', store, '--out', join(folder, out), '--json',
] // prettier-ignore

/** Starts a run and kills its engine host `after` milliseconds into training. Returns the run. */
async function killed(out: string, after: number): Promise<string | undefined> {
  const child = spawn(process.execPath, train(out), { stdio: 'ignore' })
  const gone = new Promise((resolve) => child.on('exit', resolve))
  const known = openStore(store)
  try {
    const before = new Set(known.listRuns().map((r) => r.id))
    let run
    while (!(run = known.listRuns().find((r) => !before.has(r.id) && r.status === 'running')) && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 10))
    if (!run) return undefined
    await new Promise((resolve) => setTimeout(resolve, after))
    const { status, host } = known.getRun(run.id)
    if (status === 'running' && host && host.pid !== process.pid) process.kill(host.pid, 'SIGKILL')
    await gone
    return run.id
  } finally {
    known.close()
  }
}

/** Moments of the kills in milliseconds; STILLROOM_KILLS=20 spreads twenty over the run. */
const kills = Number(process.env.STILLROOM_KILLS ?? 3)
const moments = Array.from({ length: kills }, (_, n) => 30 + Math.round((450 * n) / kills))

describe('kill -9 of the engine host', () => {
  it(
    'loses nothing: every resumed run ends with the weights of an undisturbed one',
    { timeout: 60_000 * (kills + 1) },
    async () => {
      const whole = spawnSync(process.execPath, train('whole'), { encoding: 'utf8' })
      expect(JSON.parse(whole.stdout)).toMatchObject({ steps: 400 })
      const expected = readFileSync(join(folder, 'whole', 'model.onnx'))
      for (const [n, after] of moments.entries()) {
        const run = await killed(`killed-${n}`, after)
        const status = openStore(store)
        const { status: state } = status.getRun(run!)
        status.close()
        if (state === 'done') continue // it was faster than the kill
        expect(state).toBe('interrupted')
        const resumed = spawnSync(process.execPath, [main, 'runs', 'resume', run!, '--store', store, '--json'], {
          encoding: 'utf8',
        })
        const answer = JSON.parse(resumed.stdout) as { resumedFromStep: number; steps: number }
        expect(answer.steps).toBe(400)
        expect(answer.resumedFromStep % 10).toBe(0)
        expect(readFileSync(join(folder, `killed-${n}`, 'model.onnx')).equals(expected)).toBe(true)
      }
      const sound = openStore(store)
      expect(sound.integrityCheck()).toEqual([])
      sound.close()
    },
  )
})
