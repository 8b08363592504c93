#!/usr/bin/env node
// Entry for any Node from 16 on: the rest of the program is TypeScript, which needs 22.18 or newer. An older Node hands over to
// the one that `npm ci` placed beside it (the package `node`), or says what is needed.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// The first of each line that runs TypeScript without a flag; better-sqlite3 needs 22.12.
const FIRST = { 22: 18, 23: 6 }
const here = dirname(fileURLToPath(import.meta.url))

const isNewEnough = (version) => {
  const [major, minor] = version.split('.').map(Number)
  return major > 23 || minor >= FIRST[major]
}

/** The Node of an installed `node` package, in this project or in one that installed it. */
const bundledNode = () => {
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  const system = process.platform === 'win32' ? 'win' : process.platform
  const packages = ['node', `node-${system}-${process.arch}`, `node-bin-${system}-${process.arch}`]
  for (let folder = dirname(here); ; folder = dirname(folder)) {
    for (const name of packages) {
      const path = join(folder, 'node_modules', name, 'bin', file)
      if (existsSync(path)) return path
    }
    if (folder === dirname(folder)) return undefined
  }
}

if (isNewEnough(process.versions.node)) {
  await import('./main.ts')
} else {
  const node = process.env.STILLROOM_REEXECUTED ? undefined : bundledNode()
  if (node === undefined) {
    process.stderr.write(
      `stillroom needs Node 22.18 or newer and this is ${process.versions.node}: run \`npm ci\`, which places one beside it\n`,
    )
    process.exit(2)
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, STILLROOM_REEXECUTED: '1' },
  })
  // A terminal sends Ctrl-C to both processes; the child decides, this one waits. SIGTERM and SIGHUP arrive here alone.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`stillroom could not start ${node}: ${error.message}\n`)
    process.exit(2)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code === null ? 1 : code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
