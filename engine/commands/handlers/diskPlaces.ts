import { lstatSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Store } from '../../runs/index.ts'

/** Bytes of a file, or of all files under a folder; links count as themselves. 0 where nothing is. */
export function sizeUnder(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat?.isDirectory()) return stat?.size ?? 0
  return readdirSync(path).reduce((sum, name) => sum + sizeUnder(join(path, name)), 0)
}

/** Where outputs of frozen teachers are kept between runs. */
export const cacheFolder = (store: Store): string => join(dirname(store.path), 'teacher-outputs')

/** Checkpoints of runs that are done: they served to go on with, and there is nothing to go on with. */
export const spareCheckpoints = (store: Store): string[] =>
  store.listRuns({ status: 'done' }).flatMap((run) => store.checkpoints(run.id).map(({ path }) => path))
