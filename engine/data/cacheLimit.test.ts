import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scratchFolders } from '../../tests/scratch.ts'
import { limitCaches, touch } from './cacheLimit.ts'

const scratch = scratchFolders()
const hours = (n: number) => new Date(Date.now() - n * 3600 * 1000)

function cache(root: string, name: string, age: number, size: number): string {
  const folder = join(root, name)
  mkdirSync(folder)
  writeFileSync(join(folder, '0.f32'), new Uint8Array(size))
  writeFileSync(join(folder, 'header.json'), '')
  utimesSync(join(folder, 'header.json'), hours(age), hours(age))
  return folder
}

describe('the limit of caches', () => {
  it('drops those used longest ago, never the last used one', async () => {
    const root = scratch({})
    const [old, middle, fresh] = [cache(root, 'a', 30, 100), cache(root, 'b', 20, 100), cache(root, 'c', 10, 100)]
    await touch(join(old, 'header.json'))
    await limitCaches(root, 'header.json', 220)
    expect([old, middle, fresh].map((f) => existsSync(f))).toEqual([true, false, true])
    await limitCaches(root, 'header.json', 10)
    expect([old, fresh].map((f) => existsSync(f))).toEqual([true, false])
  })

  it('drops drafts of dead processes and leaves those being written', async () => {
    const root = scratch({})
    const [dead, alive] = [join(root, 'x.draft-1'), join(root, 'y.draft-2')]
    for (const folder of [dead, alive]) mkdirSync(folder)
    utimesSync(dead, hours(48), hours(48))
    await limitCaches(root, 'header.json', 10)
    expect([dead, alive].map((f) => existsSync(f))).toEqual([false, true])
  })
})
