/**
 * `npm run install:cuda`: fetches ONNX Runtime's CUDA provider, which is too large for its npm package, with the installer that the package brings.
 * It asks a server of ONNX Runtime's maker; nothing else in this repository ever does, and `npm ci` is told not to (.npmrc).
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface Machine {
  platform: string
  arch: string
  /** An NVIDIA kernel driver is loaded. */
  driver: boolean
  /** Manifest names that the package's installer has for this platform. */
  offers: readonly string[]
}

/** What the installer is to be asked for, or why there is nothing to install. `anyway`: for a machine whose driver comes later. */
export function planInstall(machine: Machine, anyway = false): { install: string } | { refused: string } {
  const { platform, arch, driver, offers } = machine
  const cuda = offers.find((name) => name.startsWith('cuda'))
  if (cuda === undefined)
    return {
      refused:
        platform === 'win32'
          ? 'ONNX Runtime has no CUDA provider for Node on Windows; use --provider webgpu or dml'
          : `ONNX Runtime has no CUDA provider for ${platform} ${arch}; use --provider webgpu`,
    }
  if (!driver && !anyway)
    return { refused: 'no NVIDIA driver is loaded on this machine; nothing was fetched (--anyway fetches it nevertheless)' }
  return { install: cuda }
}

const require = createRequire(import.meta.url)
const folder = dirname(require.resolve('onnxruntime-node/package.json'))

/** What the installed version of the package offers for this machine. */
export function thisMachine(): Machine {
  const { requirements } = require(join(folder, 'script', 'install-metadata.js')) as { requirements: Record<string, string[]> }
  const { platform, arch } = process
  return { platform, arch, driver: existsSync('/proc/driver/nvidia/version'), offers: requirements[`${platform}/${arch}`] ?? [] }
}

function run(anyway: boolean): number {
  const plan = planInstall(thisMachine(), anyway)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  if ('refused' in plan) {
    process.stderr.write(`${plan.refused}\n`)
    return 4
  }
  process.stderr.write(
    `fetching the CUDA provider (${plan.install}) of ONNX Runtime ${version}, a large file, with its own installer\n`,
  )
  // The variable goes before the setting in .npmrc that keeps `npm ci` from doing this.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: plan.install }
  const { status } = spawnSync(process.execPath, [join(folder, 'script', 'install.js')], { env, stdio: ['ignore', 2, 2] })
  if (status !== 0) {
    process.stderr.write('the installer failed; behind a proxy set GLOBAL_AGENT_HTTPS_PROXY\n')
    return 3
  }
  process.stderr.write(
    'done; `npm run stillroom -- devices` says whether it can be used (CUDA 12 and cuDNN 9 must be installed too)\n',
  )
  return 0
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  process.exitCode = run(process.argv.includes('--anyway'))
