/**
 * `npm run test:package`: puts the app together as Forge does, with its archive, without Electron's program; unpacks it in an empty place, where no
 * package of the repository is found, and starts its main process under the test double: the page opens, a model is inspected, a model is trained.
 */
import { createPackageWithOptions, extractAll, listPackage } from '@electron/asar'
import { cpSync, existsSync, globSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch } from '../tests/electron/app.ts'
import { hasChromium } from '../tests/electron/chromium.ts'
import { tinyModel } from '../tests/electron/models.ts'
import { buildApp } from './build.ts'
import { packApp, UNPACKED } from './pack.ts'

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const expect = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`the packed app: ${what}`)
  say(`ok  ${what}`)
}
const bytesOf = (folder: string): number =>
  globSync('**/*', { cwd: folder }).reduce(
    (sum, path) => sum + (statSync(join(folder, path)).isFile() ? statSync(join(folder, path)).size : 0),
    0,
  )
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

const work = mkdtempSync(join(tmpdir(), 'stillroom-package-'))
try {
  await buildApp({ ifStale: true, quiet: true })
  const [app, archive, unpacked] = [join(work, 'app'), join(work, 'app.asar'), join(work, 'unpacked')]
  const packages = packApp(app, { platform: process.platform, arch: process.arch })
  say(`${packages.length} packages: ${packages.join(', ')}`)
  await createPackageWithOptions(app, archive, { unpack: UNPACKED })
  say(`folder ${mib(bytesOf(app))}, archive ${mib(statSync(archive).size)}, beside it ${mib(bytesOf(`${archive}.unpacked`))}`)

  const native = /\.(node|so|so\.\d+|dylib|dll)$/
  const inside = listPackage(archive, { isPack: true }).filter((entry) => native.test(entry) && entry.startsWith('pack '))
  expect(inside.length === 0, 'no native file lies in the archive, where no loader could open it')
  const foreign = globSync('**/*', { cwd: app }).filter(
    (path) => /win32|darwin|arm64/.test(path) && native.test(path) && process.platform === 'linux',
  )
  expect(foreign.length === 0, 'no native file is of another system')
  expect(
    !existsSync(join(app, 'node_modules', 'playwright-core')) && !existsSync(join(app, 'engine')),
    'nothing that is only for building went in',
  )

  extractAll(archive, unpacked)
  cpSync(`${archive}.unpacked`, unpacked, { recursive: true })
  expect(readdirSync(unpacked).includes('package.json'), 'the archive unpacks')
  if (!hasChromium()) process.exit(0)

  const model = tinyModel(join(work, 'tiny.onnx'))
  const window = await launch('electron', {
    folder: join(work, 'store'),
    app: unpacked,
    args: [model],
    env: { DOUBLE_PACKAGED: '1', NODE_PATH: '' },
  })
  type Bridge = { stillroom: { request(name: string, params: unknown): Promise<{ ok?: never; error?: { message: string } }> } }
  const ask = (name: string, params: unknown) =>
    window.page.evaluate(
      ([name, params]) => (globalThis as unknown as Bridge).stillroom.request(name as string, params),
      [name, params],
    )
  await window.page.locator('nav').first().waitFor()
  expect(true, 'the page opens')
  const inspected = await ask('call', { id: 'i', command: 'inspect', input: { model } })
  expect((inspected.ok as unknown as { nodes?: number })?.nodes === 1, `a model is inspected ${inspected.error?.message ?? ''}`)
  await ask('jobs.add', {
    command: 'train',
    input: { data: 'builtin:glyphs?samples=200&size=12', student: 'template:mlp', steps: 5, batch: 8 },
  })
  type Job = { state: string; error: { message: string } | null }
  let job: Job | undefined
  for (let i = 0; i < 600 && !(job && /done|failed/.test(job.state)); i++) {
    await sleep(200)
    job = ((await ask('jobs.list', {})).ok as unknown as { jobs: Job[] }).jobs[0]
  }
  expect(job?.state === 'done', `a model is trained ${job?.error?.message ?? ''}`)
  expect(window.errors.length === 0, `the page complains of nothing ${window.errors.join('; ')}`)
  await window.quit()
} finally {
  rmSync(work, { recursive: true, force: true })
}
