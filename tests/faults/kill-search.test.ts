import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openStore } from '../../engine/runs/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-search-'))
const store = join(folder, 'store.sqlite')
const main = new URL('../../cli/main.ts', import.meta.url).pathname
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const DATA = 'builtin:glyphs?samples=600&size=12'
const shared = ['--threads', '1', '--seed', '3', '--store', store, '--json']
const json = (args: string[]): Record<string, unknown> => {
  const done = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
  expect(done.stderr + done.stdout).toContain('{')
  return JSON.parse(done.stdout) as Record<string, unknown>
}
interface Kept {
  trials: { half: string[] }[]
  sensitivity: { name: string }[]
}
const read = (file: string): Kept =>
  existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Kept) : { trials: [], sensitivity: [] }
const counted = (k: Kept) => k.trials.length + k.sensitivity.length
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('kill -9 during a search for mixed precision', () => {
  it('three times loses no trial, and makes none twice', { timeout: 240_000 }, async () => {
    json([
      'train',
      '--data',
      DATA,
      '--student',
      'template:resnet-8',
      '--steps',
      '30',
      '--batch',
      '16',
      '--out',
      join(folder, 'float'),
      ...shared,
    ])
    // No drop is allowed, so that every step of the search has to be made.
    const quantize = (out: string) => [
      'quantize', join(folder, 'float', 'model.onnx'), '--data', DATA, '--scheme', 'mixed', '--max-drop', '0', '--calibration-samples', '16', '--out', join(folder, out), ...shared,
    ] // prettier-ignore
    const known = openStore(store)
    const before = new Set(known.listRuns().map((r) => r.id))
    const whole = json(quantize('whole')) as { trials: Kept['trials']; sensitivity: Kept['sensitivity']; run: string }
    before.add(whole.run)
    const total = whole.trials.length + whole.sensitivity.length
    expect(total).toBeGreaterThan(6)

    let child = spawn(process.execPath, [main, ...quantize('killed')], { stdio: 'ignore' })
    let run: string | undefined
    while (!(run = known.listRuns().find((r) => !before.has(r.id))?.id)) await wait(20)
    const file = join(known.runFolder(run), 'trials.json')
    let kept = read(file)
    for (let kill = 0; kill < 3; kill++) {
      // Killed as soon as something new is on the disk, which is in the middle of the next trial.
      while (counted(read(file)) <= counted(kept) && child.exitCode === null) await wait(5)
      expect(child.exitCode).toBeNull()
      const gone = new Promise((resolve) => child.on('exit', resolve))
      const { host } = known.getRun(run)
      process.kill(host!.pid, 'SIGKILL')
      await gone
      const left = read(file)
      expect(left.sensitivity.slice(0, kept.sensitivity.length)).toEqual(kept.sensitivity)
      expect(left.trials.slice(0, kept.trials.length)).toEqual(kept.trials)
      expect(counted(left)).toBeGreaterThan(counted(kept))
      expect(counted(left)).toBeLessThan(total)
      kept = left
      if (kill < 2) child = spawn(process.execPath, [main, 'runs', 'resume', run, '--store', store, '--json'], { stdio: 'ignore' })
    }
    const resumed = json(['runs', 'resume', run, '--store', store, '--json']) as typeof whole
    // What was found before the kills is found once, and the end is that of an undisturbed search.
    const end = read(file)
    expect(end.sensitivity.slice(0, kept.sensitivity.length)).toEqual(kept.sensitivity)
    expect(new Set(end.sensitivity.map((s) => s.name)).size).toBe(end.sensitivity.length)
    expect(counted(end)).toBe(total)
    expect(resumed.trials).toEqual(whole.trials)
    expect(resumed.sensitivity).toEqual(whole.sensitivity)
    const model = (name: string) => readFileSync(join(folder, name, 'model_mixed.onnx'))
    expect(model('killed').equals(model('whole'))).toBe(true)
    known.close()
  })
})
