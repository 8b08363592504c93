import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importsOf } from '../../scripts/imports.ts'
import { folderOf, homesFor, importCycles, LAYERS, violations } from '../../scripts/layers.ts'
import { REPOSITORY } from '../shared.ts'
import { sourceFiles } from './repository.ts'

const messages = (path: string, source: string): string[] => violations(path, source).map(({ message }) => message)

describe('the import table', () => {
  it.each([
    ['engine/onnx/read.ts', "import { Graph } from '../ir/index.ts'"],
    ['engine/train/loop.ts', "import { open } from '../session/index.ts'"],
    ['engine/metrics/ece.ts', "import { ModelError } from '../errors.ts'"],
    ['engine/session/open.ts', "import ort from 'onnxruntime-node'"],
    ['engine/methods/response/hinton-kd.ts', "import { kl } from '../../losses/index.ts'"],
    ['engine/commands/handlers/train.ts', "import { commands } from '../contract/index.ts'"],
    ['cli/main.ts', "import { client } from '../engine/commands/index.ts'"],
    ['engine/metrics/ece.test.ts', "import ort from 'onnxruntime-node'\nimport { train } from '../train/index.ts'"],
    ['renderer/app.ts', "import { commands } from '../engine/commands/contract/index.ts'"],
    ['engine/data/read.ts', "import { readFileSync } from 'node:fs'"],
  ])('lets %s have %s', (path, source) => expect(messages(path, source)).toEqual([]))

  it.each([
    ['engine/ir/graph.ts', "import { read } from '../onnx/index.ts'", 'comes before engine/onnx'],
    ['engine/ir/graph.ts', "import type { Model } from '../onnx/index.ts'", 'comes before engine/onnx'],
    ['engine/losses/kl.ts', "export { sgd } from '../optim/index.ts'", 'beside it'],
    ['engine/metrics/ece.ts', "import { Graph } from '../ir/index.ts'", 'imports none of ours'],
    ['engine/runs/store.ts', "type T = import('../train/index.ts').Run", 'imports none of ours'],
    ['engine/commands/contract/train.ts', "const m = await import('../../methods/index.ts')", 'imports none of ours'],
    ['engine/methods/response/hinton-kd.ts', "import { run } from '../../session/index.ts'", 'never touches engine/session'],
    ['engine/train/loop.ts', "import ort from 'onnxruntime-node'", 'belongs to engine/session'],
    ['engine/export/files.ts', "import sharp from 'sharp'", 'belongs to engine/data'],
    ['engine/ir/graph.ts', "import x from 'left-pad'", 'does not name'],
    ['engine/ir/graph.ts', "import x from '../../cli/main.ts'", 'nothing outside of engine/'],
    ['cli/main.ts', "import { train } from '../engine/train/index.ts'", 'cli imports cli, engine/commands alone'],
    ['renderer/app.ts', "import { train } from '../engine/commands/handlers/train.ts'", 'engine/commands/contract alone'],
    ['electron/preload/index.ts', "import { host } from '../engineHost.ts'", 'electron/preload imports'],
    ['engine/helpers.ts', '', 'is in no folder'],
    ['engine/errors.ts', "import { Graph } from './ir/index.ts'", 'imports none of ours'],
  ])('refuses %s: %s', (path, source, expected) => expect(messages(path, source)).toEqual([expect.stringContaining(expected)]))

  it('says where the code can live instead', () => {
    expect(homesFor('engine/quantize/index.ts')).toEqual([
      'engine/quantize',
      'engine/export',
      'engine/commands/handlers',
      'engine/commands',
      'engine/commands/door',
    ])
    expect(messages('engine/train/loop.ts', "import { q } from '../quantize/index.ts'")[0]).toContain(
      'can live in engine/quantize, engine/export',
    )
  })

  it('reads comments and strings as what they are', () => {
    expect(importsOf("// import a from './a.ts'\nconst s = \"import b from './b.ts'\"\nimport type { C } from './c.ts'")).toEqual([
      { specifier: './c.ts', typeOnly: true, line: 3, column: 23 },
    ])
  })
})

describe('import cycles', () => {
  it('finds one through three files', () => {
    const files = new Map([
      ['a.ts', "import './b.ts'"],
      ['b.ts', "export * from './c.ts'"],
      ['c.ts', "import { a } from './a.ts'"],
    ])
    expect(importCycles(files)).toEqual([['a.ts', 'b.ts', 'c.ts', 'a.ts']])
  })
  it('passes over one closed by a type import', () => {
    expect(
      importCycles(
        new Map([
          ['a.ts', "import './b.ts'"],
          ['b.ts', "import type { A } from './a.ts'"],
        ]),
      ),
    ).toEqual([])
  })
})

describe('this repository', () => {
  const files = sourceFiles()
  it('keeps to the table', () => {
    const found = [...files].flatMap(([path, source]) =>
      violations(path, source).map(({ line, message }) => `${path}:${line} ${message}`),
    )
    expect(found).toEqual([])
  })
  it('has no import cycle', () => expect(importCycles(files).map((cycle) => cycle.join(' → '))).toEqual([]))
  it('has each folder of engine/ in the table', () => {
    const folders = readdirSync(join(REPOSITORY, 'engine'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
    expect(folders.map(({ name }) => `engine/${name}`).filter((folder) => folderOf(`${folder}/x.ts`) === undefined)).toEqual([])
  })
  it('names no folder twice', () => {
    const folders = LAYERS.engine.flat().map(({ folder }) => folder)
    expect(new Set(folders).size).toBe(folders.length)
  })
})
