import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { type Grants, openGrants } from './grants.ts'
import { allowStorePaths, checkPaths } from './inputPaths.ts'
import { browseFiles } from './listing.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'stillroom-grants-')))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const at = (...parts: string[]): string => join(root, ...parts)
for (const folder of ['mine', 'mine/sub', 'other', 'out']) mkdirSync(at(folder))
for (const file of ['mine/a.onnx', 'mine/sub/b.onnx', 'other/secret.onnx', 'other/secret.json', 'mine/.hidden'])
  writeFileSync(at(file), 'x')
symlinkSync(at('other'), at('mine', 'way-out'))
symlinkSync(at('mine', 'sub'), at('mine', 'inside'))

const file = at('grants.json')
let grants: Grants
beforeEach(() => {
  rmSync(file, { force: true })
  grants = openGrants(file, [{ path: at('store'), mode: 'read' }])
})

describe('what was chosen', () => {
  it.each([
    ['a chosen file', 'mine/a.onnx', true],
    ['a file beside it', 'mine/sub/b.onnx', false],
    ['its folder', 'mine', false],
    ['a longer name', 'mine/a.onnx2', false],
  ])('%s: %s', (_, path, expected) => {
    grants.allow(at('mine', 'a.onnx'), 'read', 'dialog')
    expect(grants.allows(at(path), 'read')).toBe(expected)
  })

  it.each([
    ['inside', 'mine/sub/b.onnx', true],
    ['what does not exist yet', 'mine/new/file', true],
    ['dots that stay inside', 'mine/sub/../a.onnx', true],
    ['a link that stays inside', 'mine/inside/b.onnx', true],
    ['dots that leave', 'mine/../other/secret.onnx', false],
    ['a link that leaves', 'mine/way-out/secret.onnx', false],
    ['a new file behind a link that leaves', 'mine/way-out/new', false],
    ['a folder whose name begins so', 'mine2', false],
  ])('of a chosen folder, %s: %s', (_, path, expected) => {
    grants.allow(at('mine'), 'read', 'drop')
    // Not `join`, which would take the dots out before the check sees them.
    expect(grants.allows(`${root}/${path}`, 'read')).toBe(expected)
  })

  it('tells reading from writing', () => {
    grants.allow(at('mine'), 'read', 'dialog')
    expect([grants.allows(at('mine'), 'read'), grants.allows(at('mine'), 'write')]).toEqual([true, false])
    grants.allow(at('mine'), 'write', 'dialog')
    grants.allow(at('mine'), 'read', 'dialog')
    expect(grants.allows(at('mine'), 'write')).toBe(true)
  })

  it.each(['relative/path', '', 'mine/\0'])('refuses %j, which is no path to check', (path) => {
    expect(() => grants.check(path, 'read', 'model')).toThrow(/model: expected an absolute path/)
  })

  it('lasts until it is taken back, and the store is not kept as a choice', () => {
    grants.allow(at('mine'), 'read', 'dialog')
    grants.allow(at('other', 'secret.onnx'), 'read', 'store')
    const again = openGrants(file, [])
    expect(again.list()).toEqual([{ path: at('mine'), mode: 'read', from: 'dialog' }])
    again.revoke(at('mine'))
    expect(openGrants(file, []).allows(at('mine'), 'read')).toBe(false)
  })

  it('starts without choices when their file is damaged', () => {
    writeFileSync(file, '[{"path":1}]')
    expect(openGrants(file, []).list()).toEqual([])
  })
})

describe('inputs of commands', () => {
  const secret = at('other', 'secret.onnx')
  beforeEach(() => {
    grants.allow(at('mine'), 'read', 'dialog')
    grants.allow(at('out'), 'write', 'dialog')
  })
  const distill = {
    teacher: at('mine', 'a.onnx'),
    data: 'builtin:glyphs?samples=10',
    student: 'template:mlp',
    method: ['hinton-kd'],
  }

  it.each([
    ['inspect', { model: at('mine', 'a.onnx') }],
    ['distill', distill],
    ['distill', { ...distill, student: 'resnet-8', out: at('out', 'new') }],
    ['distill', { ...distill, option: { layer: '/conv1/Conv_output_0' } }],
    ['export', { model: at('mine', 'a.onnx'), out: at('out') }],
  ] as const)('lets %s have %j', (name, input) => expect(() => checkPaths(name, input, grants)).not.toThrow())

  it.each([
    ['inspect', { model: secret }, 'model'],
    ['inspect', { model: `${root}/mine/../other/secret.onnx` }, 'model'],
    ['inspect', { model: 'a.onnx' }, 'model'],
    ['inspect', { model: `file:${secret}` }, 'model'],
    ['distill', { ...distill, teacher: secret }, 'teacher'],
    ['distill', { ...distill, student: secret }, 'student'],
    ['distill', { ...distill, data: `${at('other')}?labels=off` }, 'data'],
    ['distill', { ...distill, data: `builtin:${at('other')}` }, 'data'],
    ['distill', { ...distill, out: at('mine') }, 'out'],
    ['distill', { ...distill, preprocess: at('other', 'secret.json') }, 'preprocess'],
    ['distill', { ...distill, option: { deep: { list: [secret] } } }, 'option.deep.list[0]'],
    ['distill', { ...distill, option: { a: `file://${secret}` } }, 'option.a'],
    ['export', { model: at('mine', 'a.onnx'), out: at('mine') }, 'out'],
  ] as const)('refuses %s with %j at %s', (name, input, where) => {
    expect(() => checkPaths(name, input, grants)).toThrow(expect.objectContaining({ code: 'option', where }))
  })

  it('looks into a recipe', () => {
    const recipe = at('mine', 'recipe.json')
    const text = (teacher: string) =>
      JSON.stringify({ teacher, data: 'builtin:glyphs', student: 'template:mlp', methods: ['hinton-kd'] })
    writeFileSync(recipe, text('a.onnx'))
    expect(() => checkPaths('compress', { recipe }, grants)).not.toThrow()
    writeFileSync(recipe, text('../other/secret.onnx'))
    expect(() => checkPaths('compress', { recipe }, grants)).toThrow('teacher of the recipe')
  })

  it('lets a page use what the store names, and nothing that it wrote there itself', () => {
    const shown = { id: 'r', out: at('other'), folder: at('store', 'r'), note: at('secret'), recipe: { teacher: '/etc/hostname' } }
    expect(grants.allows(secret, 'read')).toBe(false)
    allowStorePaths('runs.show', shown, grants)
    expect([secret, at('secret'), '/etc/hostname'].map((path) => grants.allows(path, 'read'))).toEqual([true, false, false])
    expect(grants.allows(secret, 'write')).toBe(false)
  })
})

describe('folders shown in a browser', () => {
  const files = browseFiles([
    { path: at('mine'), writable: false },
    { path: at('out'), writable: true },
  ])
  it('lists them, and what is inside', () => {
    expect(files.list(null).entries.map(({ path }) => path)).toEqual([at('mine'), at('out')])
    const { entries, parent, writable } = files.list(at('mine'))
    // Not hidden files, and no link that leads outside.
    expect(entries.map(({ name, folder }) => [name, folder])).toEqual([
      ['inside', true],
      ['sub', true],
      ['a.onnx', false],
      ['recipe.json', false],
    ])
    expect([parent, writable, files.list(at('mine', 'sub')).parent]).toEqual([null, false, at('mine')])
  })
  it.each(['other', 'mine/../other', 'mine/way-out', 'mine2', ''])('tells nothing of %j', (path) => {
    expect(() => files.list(`${root}/${path}`)).toThrow('outside of the folders that are shown')
  })
  it('lets results be written where that was said', () => {
    expect(() => files.choose(at('out', 'x'), 'write')).not.toThrow()
    expect(() => files.choose(at('mine', 'a.onnx'), 'read')).not.toThrow()
    expect(() => files.choose(at('mine', 'x'), 'write')).toThrow('only read')
    expect(() => files.choose(at('other'), 'read')).toThrow('outside')
  })
})
