import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { REPOSITORY } from '../shared.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-native-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

cpSync(join(REPOSITORY, 'native'), join(folder, 'native'), { recursive: true, filter: (path) => !path.endsWith('build') })
mkdirSync(join(folder, 'node_modules'))
symlinkSync(join(REPOSITORY, 'node_modules', 'node-api-headers'), join(folder, 'node_modules', 'node-api-headers'), 'junction')

/** The build as `npm ci` calls it, where no program can be found. */
const build = (env: Record<string, string>, ...args: string[]) =>
  spawnSync(process.execPath, [join(folder, 'native', 'build.mjs'), ...args], { encoding: 'utf8', env: { PATH: folder, ...env } })

describe('building the native addon', () => {
  it('never fails an installation without a compiler, and says so in one line', () => {
    const { status, stdout, stderr } = build({})
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^native addon: not built, there is no working C\+\+ compiler .*\n$/)
    expect(existsSync(join(folder, 'native', 'build', 'stillroom_native.node'))).toBe(false)
  })

  it('fails where it is asked for', () => expect(build({}, '--require').status).toBe(1))

  it('is turned off by the environment', () => {
    const { status, stdout } = build({ STILLROOM_NATIVE: 'off' })
    expect([status, stdout]).toEqual([0, 'native addon: left out, as STILLROOM_NATIVE says\n'])
  })
})
