/** The models that studies go through: those of a folder or a list, or the shared ones. */
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { sharedData } from '../tests/shared.ts'

/** Files of `--models FOLDER|FILE,…` (the shared models without it), those whose name has a part of `--only` in it. Sorted. */
export function modelsOf(models: string | undefined, only: string | undefined): string[] {
  const shared = models === undefined ? sharedData('models') : undefined
  const from = models?.split(',') ?? (shared === undefined ? [] : [shared])
  const parts = only?.split(',')
  return from.flatMap(listed).filter((file) => !parts || parts.some((part) => basename(file).includes(part)))
}

function listed(path: string): string[] {
  if (path.endsWith('.onnx')) return [path]
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return files
    .filter((f) => f.endsWith('.onnx'))
    .sort()
    .map((f) => join(path, f))
}
