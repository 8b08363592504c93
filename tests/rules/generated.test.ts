import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { FAMILIES, type Family } from '../../scripts/families.ts'
import { generate } from '../../scripts/gen.ts'
import { exportsOf, generateList } from '../../scripts/lists.ts'
import { mendLock } from '../../scripts/lockfile.ts'
import { fillBlock } from '../../scripts/markdown.ts'
import { REPOSITORY } from '../shared.ts'

describe('generated lists', () => {
  const root = mkdtempSync(join(tmpdir(), 'stillroom-gen-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  const put = (path: string, source: string): void => {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), source)
  }

  it('lists default exports in file order, without tests and indexes', async () => {
    put('a/z-last.ts', 'export default {}')
    put('a/0010-first.ts', 'const x = 1\nexport { x as default }')
    put('a/index.ts', 'export const no = 1')
    put('a/z-last.test.ts', '')
    const list = await generateList(root, {
      what: 'things',
      folder: 'a',
      list: 'things',
      type: { name: 'Thing', from: './thing.ts' },
    })
    expect(list?.source.split('\n').slice(1)).toEqual([
      "import m0010First from './0010-first.ts'",
      "import zLast from './z-last.ts'",
      "import type { Thing } from './thing.ts'",
      '',
      'export const things: readonly Thing[] = [m0010First, zLast]',
      '',
    ])
  })

  it('lists named constants and leaves functions and other names out', async () => {
    put(
      'b/rules/x.ts',
      'export const Relu = op(), Elu = op()\nexport const helper = () => 1\nexport function F() {}\nexport const MAX_SIZE = 3, LRN = op()',
    )
    const family: Family = { what: 'rules', folder: 'b', files: 'rules/*.ts', named: /^[A-Z][A-Za-z0-9]*$/, list: 'ops' }
    expect((await generateList(root, family))?.source).toContain("import { Relu, Elu, LRN } from './rules/x.ts'")
  })

  it('refuses a file without a member and says what to do', async () => {
    put('c/helper.ts', 'export const a = 1')
    const family: Family = { what: 'things', folder: 'c', list: 'things' }
    await expect(generateList(root, family)).rejects.toThrow(
      "c/helper.ts: no default export, which each file of the things has; if it is a helper, name it under 'except'",
    )
    expect(await generateList(root, { ...family, mixed: true })).toBeUndefined()
    expect(await generateList(root, { ...family, except: ['helper.ts'] })).toBeUndefined()
    expect(await generateList(root, { ...family, folder: 'nowhere' })).toBeUndefined()
  })

  it('reads exports from the syntax tree', () => {
    expect(exportsOf('export default function f() {}\n// export const no = 1\nexport const yes = 1\nexport type T = 1')).toEqual({
      constants: ['yes'],
      hasDefault: true,
    })
  })

  it('fills a block and leaves the rest', () => {
    const text = 'a\n<!-- generated: t (npm run gen) -->\nold\n<!-- end -->\nz'
    expect(fillBlock(text, 't', 'new')).toBe('a\n<!-- generated: t (npm run gen) -->\n\nnew\n\n<!-- end -->\nz')
    expect(fillBlock(text, 'other', 'new')).toBe(text)
  })

  it('takes registry hosts out of the lock file and keeps npm 10 from compiling', () => {
    put('node_modules/native/package.json', '{"gypfile":false}')
    const entry = { version: '1.0.0', resolved: 'https://registry.example/native.tgz' }
    const mended = mendLock(root, JSON.stringify({ packages: { '': {}, 'node_modules/native': entry } }))
    expect(JSON.parse(mended)).toEqual({ packages: { '': {}, 'node_modules/native': { version: '1.0.0', gypfile: false } } })
  })
})

describe('this repository', () => {
  it('has no stale generated file', async () => expect((await generate(REPOSITORY, true)).problems).toEqual([]))

  it.each(FAMILIES.filter(({ folder }) => existsSync(join(REPOSITORY, folder, 'list.gen.ts'))))(
    'has no id twice among the $what',
    async (family) => {
      const module = (await import(join(REPOSITORY, family.folder, 'list.gen.ts'))) as Record<
        string,
        readonly Record<string, unknown>[]
      >
      const ids = module[family.list]!.map((member) => (family.id === 'none' ? member : idOf(member, family.id ?? 'id')))
      expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([])
      expect(ids).not.toContain(undefined)
    },
  )
})

/** Operator rules of one type differ by domain and by the opset since which they hold. */
function idOf(member: Record<string, unknown>, field: string): string | undefined {
  const id = member[field]
  if (id === undefined) return undefined
  return field === 'type' ? [member.domain ?? '', id, member.since].join(':') : String(id)
}
