import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import ts from 'typescript'
import { importsOf } from '../../scripts/imports.ts'
import { REPOSITORY } from '../shared.ts'
import { sourceFiles } from './repository.ts'

const MODULES = /^(node:)?(net|http|https|http2|dgram|dns|dns\/promises|tls|inspector|inspector\/promises)$/
const GLOBALS = new Set(['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest', 'WebTransport'])
/** Programs that a child process could use to go out instead. */
const PROGRAMS = /^(curl|wget|ssh|scp|nc|npm|npx|git|ping)$/

/** Files that may open a socket, each with its reason. The loopback interface alone, which the runtime guard checks. */
const ALLOWED: Record<string, string> = {
  'cli/serve/server.ts': 'the browser door listens on the loopback interface',
  'renderer/door/webSocketDoor.ts': 'the page talks to the server that it came from',
}

/** What a source text could reach the network with: modules, globals, names of programs. */
function networkUses(source: string, path = 'file.ts'): string[] {
  const uses = importsOf(source, path)
    .filter(({ specifier, typeOnly }) => !typeOnly && MODULES.test(specifier))
    .map(({ specifier }) => specifier)
  const visit = (node: ts.Node): void => {
    const isName = ts.isIdentifier(node) && GLOBALS.has(node.text)
    // `globalThis.fetch` and `fetch(…)` count; `x.fetch(…)`, a method or a field of that name do not.
    const owner =
      isName && ts.isPropertyAccessExpression(node.parent) && node.parent.name === node ? node.parent.expression : undefined
    const isField =
      isName && (ts.isPropertyAssignment(node.parent) || ts.isMethodDeclaration(node.parent) || ts.isPropertySignature(node.parent))
    if (isName && !isField && (!owner || (ts.isIdentifier(owner) && /^(globalThis|window|self)$/.test(owner.text))))
      uses.push(node.text)
    const isArgument = ts.isStringLiteralLike(node) && ts.isCallExpression(node.parent) && node.parent.arguments[0] === node
    if (isArgument && /spawn|exec|fork/.test(node.parent.expression.getText()) && PROGRAMS.test(node.text)) uses.push(node.text)
    if (isArgument && /require|getBuiltinModule/.test(node.parent.expression.getText()) && MODULES.test(node.text))
      uses.push(node.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true))
  return uses
}

describe('the scan', () => {
  it.each([
    ["import net from 'node:net'", ['node:net']],
    ["import { request } from 'https'", ['https']],
    ["const { connect } = await import('node:tls')", ['node:tls']],
    ["process.getBuiltinModule('node:dgram')", ['node:dgram']],
    ["await fetch('https://example.org')", ['fetch']],
    ['const go = globalThis.fetch', ['fetch']],
    ['new WebSocket(url)', ['WebSocket']],
    ["spawnSync('curl', ['-o', 'x'])", ['curl']],
  ])('sees %s', (source, uses) => expect(networkUses(source)).toEqual(uses))

  it.each([
    "import type { Socket } from 'node:net'",
    'store.fetch(1)',
    '// fetch the batch',
    "const text = 'WebSocket'",
    'const f = { fetch: 1 }',
  ])('passes over %s', (source) => expect(networkUses(source)).toEqual([]))
})

describe('this repository', () => {
  it('opens no socket outside of the allowed files', () => {
    const files = [...sourceFiles('{engine,cli,electron,renderer,bench}')].filter(([path]) => !path.endsWith('.test.ts'))
    const found = files
      .filter(([path]) => !(path in ALLOWED))
      .flatMap(([path, source]) => networkUses(source, path).map((use) => `${path}: ${use}`))
    expect(found).toEqual([])
  })
  it('allows no file that needs no allowance', () => {
    const files = sourceFiles()
    expect(Object.keys(ALLOWED).filter((path) => networkUses(files.get(path) ?? '').length === 0)).toEqual([])
  })
})

describe('ONNX Runtime, which counts its use unless told otherwise', () => {
  const OFF = 'ORT_DISABLE_TELEMETRY'

  it('is loaded behind the switch wherever the engine loads it', () => {
    const files = [...sourceFiles('{engine,cli,electron,scripts,bench}')].filter(([path]) => !path.endsWith('.test.ts'))
    const late = files.flatMap(([path, source]) => {
      const imports = importsOf(source, path).filter(({ typeOnly }) => !typeOnly)
      const at = imports.findIndex(({ specifier }) => specifier === 'onnxruntime-node')
      const first = imports.findIndex(({ specifier }) => specifier.endsWith('/telemetry.ts'))
      return at >= 0 && (first < 0 || first > at) ? [path] : []
    })
    expect(late).toEqual([])
  })

  it('knows the switch', () => {
    const library = globSync('node_modules/onnxruntime-node/bin/*/linux/x64/libonnxruntime.so.1*', { cwd: REPOSITORY })
    expect(library).not.toEqual([])
    for (const path of library) expect(readFileSync(join(REPOSITORY, path)).includes(OFF)).toBe(true)
  })

  it('leaves nothing in the home and temporary folders of a program that ran a model', () => {
    const home = mkdtempSync(join(tmpdir(), 'stillroom-home-'))
    const { [OFF]: _, XDG_CACHE_HOME: __, ...env } = process.env
    const code = `import { createSession } from '${pathToFileURL(join(REPOSITORY, 'engine', 'session', 'index.ts')).href}'
      import { makeGraph, makeModel, makeNode, tensorType } from '${pathToFileURL(join(REPOSITORY, 'engine', 'ir', 'index.ts')).href}'
      const type = tensorType('float32', [1])
      const graph = { ...makeGraph('g'), nodes: [makeNode('Relu', ['x'], ['y'])], inputs: [{ name: 'x', type }], outputs: [{ name: 'y', type }] }
      await (await createSession(makeModel(graph, 17))).release()
      console.log('ran')`
    try {
      const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
        encoding: 'utf8',
        env: { ...env, HOME: home, TMPDIR: home },
        timeout: 30_000,
      })
      expect([stdout, stderr]).toEqual(['ran\n', ''])
      // A compile cache of ours may be there.
      expect(readdirSync(home, { recursive: true }).filter((name) => /onnx|microsoft|mat-debug/i.test(String(name)))).toEqual([])
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })
})

describe('the guard', () => {
  const run = (code: string) =>
    spawnSync(process.execPath, ['--import', join(REPOSITORY, 'tests', 'offline-guard.mjs'), '--input-type=module', '-e', code], {
      encoding: 'utf8',
      timeout: 20_000,
    })
  // 192.0.2.1 is a documentation address: nothing answers there even where the guard fails.
  it.each([
    ["(await import('node:net')).connect(9, '192.0.2.1')", "connection to '192.0.2.1'"],
    ["(await import('node:net')).connect({ port: 9, host: '192.0.2.1' })", "connection to '192.0.2.1'"],
    ["(await import('node:dns')).lookup('example.invalid', () => {})", "look-up to 'example.invalid'"],
    ["await (await import('node:dns/promises')).resolve4('example.invalid')", "look-up to 'example.invalid'"],
    ["(await import('node:dgram')).createSocket('udp4').send('x', 9, '192.0.2.1')", "datagram to '192.0.2.1'"],
    ["(await import('node:http')).get('http://192.0.2.1/')", "connection to '192.0.2.1'"],
    ["await fetch('http://192.0.2.1/').catch((e) => { throw e.cause })", "connection to '192.0.2.1'"],
  ])('refuses %s', (code, message) => {
    const { status, stderr } = run(code)
    expect(stderr).toContain(`offline guard: ${message} leaves this machine`)
    expect(status).not.toBe(0)
  })
  it('lets the loopback interface be', () => {
    const code = `import net from 'node:net'
      const server = net.createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1', () => {
        const { port } = server.address()
        net.connect(port, '127.0.0.1').on('data', (data) => { console.log(String(data)); server.close() })
      })`
    expect(run(code)).toMatchObject({ status: 0, stdout: 'hello\n' })
  })
})

describe('the command line', () => {
  // NODE_OPTIONS reaches the engine host as well, which is a child process.
  it.each([[['devices', '--json']], [['data', 'inspect', 'builtin:glyphs?samples=20', '--json']]])(
    'works under the guard: %j',
    (args) => {
      const guard = pathToFileURL(join(REPOSITORY, 'tests', 'offline-guard.mjs')).href
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(REPOSITORY, 'cli', 'main.ts'), ...args], {
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: `--import=${guard}` },
      })
      expect(stderr).not.toContain('offline guard')
      expect([status, typeof JSON.parse(stdout)]).toEqual([0, 'object'])
    },
  )
})
