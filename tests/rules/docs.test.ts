import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { REPOSITORY } from '../shared.ts'

const read = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8')
const documents = [...globSync('docs/*.md', { cwd: REPOSITORY }), 'README.md', 'CONTRIBUTING.md']

describe.each(documents)('%s', (document) => {
  const text = read(document)

  it('names no file or folder that is not there', () => {
    const named = [...text.matchAll(/`((?:engine|cli|scripts|tests|bench|docs|\.ci)\/[\w./-]*)`/g)].map((match) => match[1]!)
    // FAMILY stands for any name: the folder that holds it must be there.
    expect(named.map((path) => path.replace(/[A-Z]{3,}.*/, '')).filter((path) => !existsSync(join(REPOSITORY, path)))).toEqual([])
  })

  it('quotes code as it stands in its file', () => {
    const quotes = [...text.matchAll(/```ts (\S+)\n([^]*?)```/g)]
    const wrong = quotes.filter(([, path, code]) => !existsSync(join(REPOSITORY, path!)) || !read(path!).includes(code!.trimEnd()))
    expect(wrong.map(([, path]) => `${document}: the example of ${path} is not in that file any more: copy it anew`)).toEqual([])
  })

  it('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1]!)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })
})
