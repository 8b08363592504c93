import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../shared.ts'

/** The repository's own TypeScript files, path from the root → text. */
export function sourceFiles(folders: string = '{engine,cli,electron,renderer,bench,scripts,tests}'): Map<string, string> {
  const paths = globSync(`${folders}/**/*.ts`, { cwd: REPOSITORY }).map((path) => path.replaceAll('\\', '/'))
  return new Map(paths.sort().map((path) => [path, readFileSync(join(REPOSITORY, path), 'utf8')]))
}
