/** Folders of small files that a test writes for itself. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'

/** A function that writes files (name to content) into a fresh folder and returns its path; all are removed after the test file. */
export function scratchFolders(): (files: Readonly<Record<string, Uint8Array | string>>) => string {
  const root = mkdtempSync(join(tmpdir(), 'stillroom-test-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  let made = 0
  return (files) => {
    const path = join(root, String(made++))
    mkdirSync(path)
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(path, name)), { recursive: true })
      writeFileSync(join(path, name), content)
    }
    return path
  }
}
