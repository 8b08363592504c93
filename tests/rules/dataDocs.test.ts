import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readers } from '../../engine/data/index.ts'
import { templates } from '../../engine/students/index.ts'
import { REPOSITORY } from '../shared.ts'

describe('docs/data.md', () => {
  const text = readFileSync(join(REPOSITORY, 'docs', 'data.md'), 'utf8')
  const missing = (names: readonly string[]) => names.filter((name) => !text.includes(`\`${name}`))

  it('names every reader and its options', () => {
    expect(missing(readers.map((reader) => reader.id))).toEqual([])
    expect(missing(readers.flatMap((reader) => Object.keys(reader.options ?? {})).map((option) => `${option}=`))).toEqual([])
  })

  it('names every student template', () => {
    expect(missing(templates.flatMap((template) => [...template.names]))).toEqual([])
  })
})
