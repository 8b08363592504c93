import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMAND, listedRules, nameOf } from '../../bench/conformance/table.ts'
import { REPOSITORY } from '../shared.ts'

/** The page is measured, so it cannot be written anew here; but the rules that it speaks of must be those that there are. */
describe('docs/OPERATORS.md', () => {
  const page = readFileSync(join(REPOSITORY, 'docs', 'OPERATORS.md'), 'utf8')
  const [table = '', after = ''] = page.split('## No gradient, and why')
  const again = `docs/OPERATORS.md is stale: run \`${COMMAND}\``

  it('lists the operators that have a rule, with their opsets', () => {
    const listed = [...table.matchAll(/^\| ([\w.]+) +\| ([\d, ]+?) +\|/gm)].map(([, op, since]) => `${op} ${since}`)
    const since = new Map<string, number[]>()
    for (const rule of listedRules()) since.set(nameOf(rule), [...(since.get(nameOf(rule)) ?? []), rule.since])
    const expected = [...since].map(([op, list]) => `${op} ${list.sort((p, q) => p - q).join(', ')}`)
    expect(listed.toSorted(), again).toEqual(expected.sort())
  })

  it('gives the reason of every operator without a gradient', () => {
    const section = after.split('## ')[0]!.replace(/\s+/g, ' ')
    for (const rule of listedRules())
      if (typeof rule.grad === 'object')
        expect(section, again).toContain(`\`${nameOf(rule)}\`: ${rule.grad.none.replace(/\s+/g, ' ')}`)
  })
})
