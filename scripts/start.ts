/**
 * `npm start`: opens the app. Where Electron has no binary on this machine, it says so in one line and opens the browser door instead; what stands
 * behind `--` goes to whichever it is.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')

/**
 * Electron's program, or undefined when only its package is here. The package is not asked: it would try to download the program.
 * `ELECTRON_OVERRIDE_DIST_PATH` names a folder with another one, as Electron's own package has it.
 */
export function electronBinary(root: string = ROOT, env: Record<string, string | undefined> = process.env): string | undefined {
  const name = { darwin: 'Electron.app/Contents/MacOS/Electron', win32: 'electron.exe' }[process.platform as string] ?? 'electron'
  const override = env['ELECTRON_OVERRIDE_DIST_PATH']
  const path = override ? join(override, name) : join(root, 'node_modules', 'electron', 'dist', name)
  return existsSync(path) ? path : undefined
}

if (import.meta.main) {
  const args = process.argv.slice(2)
  const binary = electronBinary()
  const { buildApp } = await import('./build.ts')
  const made = await buildApp({ ifStale: true, ...(binary ? {} : { only: ['renderer'] }) })
  if (made.length > 0) process.stdout.write(`built ${made.join(', ')}\n`)
  if (!binary) {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'node_modules', 'electron', 'package.json'), 'utf8')) as {
      version: string
    }
    process.stdout.write(`Electron ${version} has no program on this machine: serving the window to a browser instead\n`)
  }
  // A native dialog would show every folder of the person's own as well.
  const shown = args.some((word) => /^--(root|out)(=|$)/.test(word)) ? [] : ['--root', homedir()]
  const child = binary
    ? spawn(binary, [ROOT, ...args], { stdio: 'inherit' })
    : spawn(process.execPath, [join(ROOT, 'cli', 'main.ts'), 'serve', ...shown, ...args], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both; the child decides what it means, this process waits.
  process.on('SIGINT', () => undefined)
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`stillroom: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal ? 130 : 1)
  })
}
