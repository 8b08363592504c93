import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { importedPackages, runs } from '../../scripts/pack.ts'
import { electronBinary } from '../../scripts/start.ts'
import { REPOSITORY } from '../shared.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-pack-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('what is packed', () => {
  const linux = { platform: 'linux', arch: 'x64' }
  it.each([
    'onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1',
    'onnxruntime-node/dist/index.js',
    'better-sqlite3/prebuilds/linux-x64.node',
    '@img/sharp-linux-x64/lib/sharp-linux-x64.node',
    // A folder of this name is prose at the top of a package alone.
    'yaml/dist/doc/Document.js',
    'yaml/LICENSE.md',
  ])('%s', (path) => expect(runs(`/r/node_modules/${path}`, linux)).toBe(true))
  it.each([
    'onnxruntime-node/bin/napi-v6/win32/x64/onnxruntime.dll',
    'onnxruntime-node/bin/napi-v6/linux/arm64/libonnxruntime.so.1',
    'better-sqlite3/prebuilds/darwin-arm64.node',
    'better-sqlite3/deps/sqlite3/sqlite3.c',
    'better-sqlite3/src/addon.cpp',
    'zod/index.d.ts',
    'zod/README.md',
    'yaml/dist/index.js.map',
    '@scope/name/tests/a.js',
  ])('not %s', (path) => expect(runs(`/r/node_modules/${path}`, linux)).toBe(false))

  it('is found by its imports', () => {
    mkdirSync(join(folder, 'deep'))
    writeFileSync(
      join(folder, 'a.js'),
      "import z from 'zod/v4'\nimport './deep/b.js'\nimport fs from 'node:fs'\nimport path from 'path'",
    )
    writeFileSync(join(folder, 'deep', 'b.js'), "const { x } = await import('@scope/name/deep')\nexport * from 'yaml'")
    expect(importedPackages(folder)).toEqual(['@scope/name', 'yaml', 'zod'])
  })
})

describe('the start', () => {
  it("finds Electron's program where there is one, and asks nobody where there is none", () => {
    expect(electronBinary(folder, {})).toBe(undefined)
    const name = { darwin: 'Electron.app/Contents/MacOS/Electron', win32: 'electron.exe' }[process.platform as string] ?? 'electron'
    mkdirSync(join(folder, 'dist', name, '..'), { recursive: true })
    writeFileSync(join(folder, 'dist', name), '')
    expect(electronBinary(folder, { ELECTRON_OVERRIDE_DIST_PATH: join(folder, 'dist') })).toBe(join(folder, 'dist', name))
  })
})

describe('icons', () => {
  const asset = (name: string): Buffer => readFileSync(join(REPOSITORY, 'assets', name))
  it('are what their names say, and small', () => {
    expect(asset('icon.png').subarray(1, 4).toString()).toBe('PNG')
    expect([...asset('icon.ico').subarray(0, 6)]).toEqual([0, 0, 1, 0, 6, 0])
    const icns = asset('icon.icns')
    expect([icns.subarray(0, 4).toString(), icns.readUInt32BE(4)]).toEqual(['icns', icns.length])
    expect(['icon.png', 'icon.ico', 'icon.icns'].every((name) => asset(name).length < 40_000)).toBe(true)
    expect(existsSync(join(REPOSITORY, 'assets', 'icon.svg'))).toBe(true)
  })
})
