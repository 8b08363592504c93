/**
 * Builds the native addon where a C++ compiler is: with CMake, and where that is absent with the compiler alone. Nothing is downloaded. `npm ci` calls it
 * and must never fail for it, so it says in one line what happened and exits with 0; `--require` makes a missing addon an error. Plain JavaScript,
 * since it may run before the `node` package is in place.
 *
 * STILLROOM_NATIVE=off leaves it out. CXX names another compiler for the way without CMake.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'

const HERE = import.meta.dirname ?? dirname(new URL(import.meta.url).pathname)
const BUILD = join(HERE, 'build')
const RESULT = join(BUILD, 'stillroom_native.node')
const STAMP = join(BUILD, 'built-from')
const LOG = join(BUILD, 'log.txt')

/** Where node_api.h is: the package of the headers, or those that Node was installed with. */
function headers() {
  const places = [
    join(HERE, '..', 'node_modules', 'node-api-headers', 'include'),
    resolve(dirname(process.execPath), '..', 'include', 'node'),
  ]
  return places.find((folder) => existsSync(join(folder, 'node_api.h')))
}

/** What the result depends on: the sources, this file, the machine. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch} ${process.env.CXX ?? ''}`)
  const sources = readdirSync(join(HERE, 'src')).map((name) => join('src', name))
  for (const name of ['CMakeLists.txt', 'build.mjs', ...sources.sort()]) hash.update(name).update(readFileSync(join(HERE, name)))
  return hash.digest('hex')
}

/** Runs a program with its words in the log. */
function run(program, args) {
  const done = spawnSync(program, args, { cwd: HERE, encoding: 'utf8' })
  appendFileSync(LOG, `$ ${program} ${args.join(' ')}\n${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}\n`)
  return done.status === 0
}

const there = (program) => spawnSync(program, ['--version']).status === 0

/** With CMake. Answers where the addon is. */
function withCMake(include) {
  if (!there('cmake')) return undefined
  const folder = join(BUILD, 'cmake')
  rmSync(folder, { recursive: true, force: true })
  const architecture =
    process.platform === 'darwin' ? [`-DCMAKE_OSX_ARCHITECTURES=${process.arch === 'x64' ? 'x86_64' : 'arm64'}`] : []
  const configured = run('cmake', [
    '-S',
    HERE,
    '-B',
    folder,
    '-DCMAKE_BUILD_TYPE=Release',
    `-DNODE_HEADERS=${include}`,
    ...architecture,
  ])
  if (!configured) return undefined
  if (!run('cmake', ['--build', folder, '--config', 'Release', '--parallel', String(availableParallelism())])) return undefined
  return [join(folder, 'stillroom_native.node'), join(folder, 'Release', 'stillroom_native.node')].find((path) => existsSync(path))
}

/** With the compiler alone; the flags are those of CMakeLists.txt. */
function withCompiler(include) {
  if (process.platform === 'win32') return undefined
  const compiler = [process.env.CXX, 'c++', 'g++', 'clang++'].find((name) => name && there(name))
  if (!compiler) return undefined
  const folder = join(BUILD, 'objects')
  mkdirSync(folder, { recursive: true })
  const own = process.arch === 'x64' ? { kernels_avx2: ['-mavx2'], kernels_avx512: ['-mavx512f'] } : {}
  const common = [
    '-std=c++17',
    '-O3',
    '-DNDEBUG',
    '-fPIC',
    '-pthread',
    '-fvisibility=hidden',
    '-ffp-contract=off',
    '-fno-math-errno',
  ]
  const objects = []
  for (const file of readdirSync(join(HERE, 'src')).filter((name) => name.endsWith('.cpp') && name !== 'delay_load.cpp')) {
    const object = join(folder, `${file}.o`)
    const flags = [...common, ...(own[file.slice(0, -4)] ?? []), `-I${include}`]
    if (!run(compiler, [...flags, '-c', join('src', file), '-o', object])) return undefined
    objects.push(object)
  }
  const shared = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared']
  const path = join(folder, 'stillroom_native.node')
  return run(compiler, [...shared, '-pthread', ...objects, '-o', path]) ? path : undefined
}

/** Whether a process can load it: a wrong binary must not take an engine down later. Answers the instruction sets. */
function loads(path) {
  const code = 'process.stdout.write(require(process.argv[1]).isas.join(" "))'
  const done = spawnSync(process.execPath, ['-e', code, path], { encoding: 'utf8' })
  return done.status === 0 ? done.stdout : undefined
}

/** What happened, and whether the addon is there. */
function build() {
  if (/^(off|0|false|no)$/i.test(process.env.STILLROOM_NATIVE ?? ''))
    return { built: false, text: 'left out, as STILLROOM_NATIVE says' }
  const include = headers()
  if (!include) return { built: false, text: 'not built, node_api.h was not found; everything works without it' }
  const from = fingerprint()
  if (existsSync(RESULT) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === from) return { built: true, text: 'up to date' }
  mkdirSync(BUILD, { recursive: true })
  writeFileSync(LOG, '')
  const made = withCMake(include) ?? withCompiler(include)
  if (!made)
    return { built: false, text: 'not built, there is no working C++ compiler (native/build/log.txt); everything works without it' }
  const isas = loads(made)
  if (isas === undefined) return { built: false, text: 'built, but it does not load here, so it is not used' }
  // By renaming: a process that has the old one loaded keeps it.
  renameSync(made, RESULT)
  writeFileSync(STAMP, from)
  for (const folder of ['cmake', 'objects']) rmSync(join(BUILD, folder), { recursive: true, force: true })
  return { built: true, text: `built (${isas})` }
}

let outcome
try {
  outcome = build()
} catch (error) {
  outcome = { built: false, text: `not built (${error.message}); everything works without it` }
}
process.stdout.write(`native addon: ${outcome.text}\n`)
if (!outcome.built && process.argv.includes('--require')) process.exitCode = 1
