/** Finds an environment in which ONNX Runtime's WebGPU provider has a device: the machine's own, or the software device of a browser. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

export interface GpuEnvironment {
  /** What the device is, for a reader. */
  device: string
  /** Variables to be added to those of a process that uses it. */
  env: Record<string, string>
  /** Removes what was made for it. */
  clean(): void
}

/** Where Chromium and its kin keep SwiftShader; the first is whatever the person says. */
const FOLDERS = ['/usr/lib/chromium', '/usr/lib/chromium-browser', '/usr/lib64/chromium-browser', '/opt/google/chrome']
const SWIFTSHADER = 'libvk_swiftshader.so'
const LOADER = 'libvulkan.so.1'
const WORKER = resolve(import.meta.dirname, 'worker.ts')

/**
 * A usable environment, or why there is none. STILLROOM_SWIFTSHADER names a folder with SwiftShader's Vulkan driver; it then is taken even where
 * the machine has a GPU of its own.
 */
export function findGpu(): GpuEnvironment | { why: string } {
  const named = process.env['STILLROOM_SWIFTSHADER']
  const own: GpuEnvironment = { device: "the machine's own device", env: {}, clean: () => undefined }
  const soft = (named === undefined ? FOLDERS : [named]).flatMap((folder) => software(folder) ?? [])
  const tried: string[] = []
  for (const found of named === undefined ? [own, ...soft] : soft) {
    const why = attempt(found.env)
    if (why === undefined) {
      soft.filter((other) => other !== found).forEach((other) => other.clean())
      return found
    }
    found.clean()
    tried.push(`${found.device}: ${why}`)
  }
  return { why: tried.join('; ') || `${SWIFTSHADER} is not in ${named}` }
}

/** A driver description for Vulkan's loader, and the loader beside the driver where the system has none. */
function software(folder: string): GpuEnvironment | undefined {
  const library = join(folder, SWIFTSHADER)
  if (process.platform !== 'linux' || !existsSync(library)) return undefined
  const made = mkdtempSync(join(tmpdir(), 'stillroom-vulkan-'))
  const description = join(made, 'swiftshader.json')
  writeFileSync(description, JSON.stringify({ file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.1.0' } }))
  const loader = join(folder, LOADER)
  if (existsSync(loader)) symlinkSync(loader, join(made, LOADER))
  // The loader refuses to look anywhere without a folder for run-time files.
  const env = {
    VK_DRIVER_FILES: description,
    VK_ICD_FILENAMES: description,
    XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? made,
  }
  const path = [process.env['LD_LIBRARY_PATH'], made].filter(Boolean).join(':')
  const clean = () => rmSync(made, { recursive: true, force: true })
  return { device: `SwiftShader in ${folder}`, env: { ...env, LD_LIBRARY_PATH: path }, clean }
}

/** Runs the worker in such an environment and answers its lines as they come. `ended` says how the process ended, when not well. */
export function runWorker(
  gpu: GpuEnvironment,
  args: readonly string[],
  line: (value: unknown) => void,
): Promise<{ ended: string | undefined }> {
  const child = spawn(process.execPath, [WORKER, ...args], {
    env: { ...process.env, ...gpu.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)))
  createInterface({ input: child.stdout }).on('line', (text) => line(JSON.parse(text)))
  return new Promise((done) => {
    child.on('close', (code, signal) =>
      done({ ended: code === 0 ? undefined : `${signal ?? `exit code ${code}`}: ${said.trim().split('\n').at(-1)}` }),
    )
  })
}

/** Whether the provider runs a node in this environment; libraries are found at a process's start, so each attempt is one. */
function attempt(env: Record<string, string>): string | undefined {
  const { status, stdout, stderr } = spawnSync(process.execPath, [WORKER, 'probe'], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 60_000,
  })
  if (status !== 0) return stderr.trim().split('\n').at(-1) ?? 'the process ended'
  return (JSON.parse(stdout) as { why: string | null }).why ?? undefined
}
