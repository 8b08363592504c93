import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { REPOSITORY } from '../shared.ts'

/** A copy of cli/bin.mjs that believes to run in an old Node, beside a main that reports what it got. */
const root = mkdtempSync(join(tmpdir(), 'stillroom-bin-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
mkdirSync(join(root, 'cli'))
copyFileSync(join(REPOSITORY, 'cli', 'bin.mjs'), join(root, 'cli', 'bin.mjs'))
writeFileSync(
  join(root, 'cli', 'main.ts'),
  `const args: string[] = process.argv.slice(2)
if (args[0] === 'wait') { setInterval(() => {}, 1000); console.log('waiting') }
else { console.log(JSON.stringify(args)); process.exitCode = Number(args[0]) }`,
)
const bin = join(root, 'cli', 'bin.mjs')
// The version is read from process.versions, which a preload can change for this process alone.
const old = join(root, 'old.mjs')
writeFileSync(
  old,
  "if (!process.env.STILLROOM_REEXECUTED) Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.1' } })",
)

describe.skipIf(process.platform === 'win32')('cli/bin.mjs', () => {
  it('runs the program where Node is new enough', () => {
    const { status, stdout } = spawnSync(process.execPath, [bin, '5', 'a b'], { encoding: 'utf8' })
    expect([status, stdout]).toEqual([5, '["5","a b"]\n'])
  })

  it('says in one line what is needed where Node is old and none is installed', () => {
    const { status, stderr } = spawnSync(process.execPath, ['--import', old, bin, '0'], { encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stderr).toBe('stillroom needs Node 22.18 or newer and this is 20.11.1: run `npm ci`, which places one beside it\n')
  })

  it('hands over to the installed Node, with arguments and exit code', () => {
    placeNode()
    const { status, stdout } = spawnSync(process.execPath, ['--import', old, bin, '3', '--x'], { encoding: 'utf8' })
    expect([status, stdout]).toEqual([3, '["3","--x"]\n'])
  })

  it('passes SIGTERM on and dies of it as well', async () => {
    placeNode()
    const child = spawn(process.execPath, ['--import', old, bin, 'wait'], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.kill('SIGTERM')
    expect(await new Promise((resolve) => child.once('exit', (code, signal) => resolve([code, signal])))).toEqual([null, 'SIGTERM'])
  })
})

function placeNode(): void {
  const folder = join(root, 'node_modules', 'node', 'bin')
  mkdirSync(folder, { recursive: true })
  if (existsSync(join(folder, 'node'))) return
  symlinkSync(process.execPath, join(folder, 'node'))
  chmodSync(join(folder, 'node'), 0o755)
}
