/** Real models and data for tests: they lie beside the repository, never inside it, and a test that wants them skips when they are absent. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'

export const REPOSITORY = resolve(import.meta.dirname, '..')
const SHARED = resolve(REPOSITORY, '..', 'shared', 'data')
const told = new Set<string>()

/**
 * Where shared test data lies, or undefined (with one line on standard output, once a process) when it is not on this machine.
 * `name` is an archive, with or without `.tar.xz`: the answer is the folder it was unpacked into, so that
 * `join(sharedData('models')!, 'models', 'x.onnx')` is a file; or the name of a plain file: the answer is its path, read-only.
 * An archive is unpacked once per version of it, into the machine's temporary folder.
 */
export function sharedData(name: string): string | undefined {
  const plain = join(SHARED, name)
  if (!name.endsWith('.tar.xz') && existsSync(plain)) return plain
  const archive = name.endsWith('.tar.xz') ? plain : `${plain}.tar.xz`
  if (!existsSync(archive)) return skip(name, `${archive} is not there`)
  const folder = join(tmpdir(), `stillroom-shared-${fingerprint(archive)}`)
  return existsSync(folder) ? folder : unpack(archive, folder)
}

function fingerprint(file: string): string {
  const { size, mtimeMs } = statSync(file)
  return createHash('sha256')
    .update(`${basename(file)} ${size} ${mtimeMs}`)
    .digest('hex')
    .slice(0, 16)
}

/** Unpacks beside the target and renames: of several processes that race, one wins and none sees half a folder. */
function unpack(archive: string, folder: string): string | undefined {
  mkdirSync(dirname(folder), { recursive: true })
  const draft = mkdtempSync(`${folder}-`)
  const { status, error, stderr } = spawnSync('tar', ['-xJf', archive, '-C', draft, '--no-same-owner'], { encoding: 'utf8' })
  if (status !== 0) {
    rmSync(draft, { recursive: true, force: true })
    const reason = (error?.message ?? stderr).trim().split('\n')[0] ?? ''
    return skip(basename(archive), `tar could not unpack it, which needs tar and xz (${reason})`)
  }
  try {
    renameSync(draft, folder)
  } catch (failure) {
    rmSync(draft, { recursive: true, force: true })
    if (!existsSync(folder)) throw failure
  }
  return folder
}

function skip(name: string, reason: string): undefined {
  if (!told.has(name)) process.stdout.write(`skipped: tests that need the shared data '${name}': ${reason}\n`)
  told.add(name)
  return undefined
}
