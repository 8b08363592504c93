import { describe, expect, it } from 'vitest'
import { judge, type Judgement } from '../../bench/conformance/judge.ts'
import { KNOWN } from '../../bench/conformance/known.ts'
import { nodeTestFolder, nodeTestNames, readNodeTest } from '../../bench/conformance/nodeTest.ts'

/** Every tenth of the standard's node tests; `npm run study -- conformance` takes all of them, with more entries. */
const folder = nodeTestFolder()
const SHARE = 10
const SEED = 1

describe.skipIf(!folder)('a tenth of the node tests of the standard', () => {
  it('is read, written, inferred, computed and differentiated', async () => {
    const names = nodeTestNames(folder!).filter((name, i) => i % SHARE === 3 && !(name in KNOWN))
    const rows: Judgement[] = []
    for (const name of names)
      rows.push(await judge(folder!, readNodeTest(folder!, name), { seed: SEED, entries: 2, providers: ['cpu'] }))
    const failed = (what: string, verdict: (row: Judgement) => { state: string; detail?: string } | undefined) =>
      rows.flatMap((row) => (verdict(row)?.state === 'fails' ? [`${row.name}: ${what}: ${verdict(row)!.detail}`] : []))
    const passed = (verdict: (row: Judgement) => { state: string } | undefined) =>
      rows.filter((row) => verdict(row)?.state === 'passes').length
    expect(rows.filter((row) => !row.lossless).map((row) => row.name)).toEqual([])
    expect(rows.filter((row) => row.refused === undefined && row.invalid.length > 0).map((row) => row.name)).toEqual([])
    expect([
      ...failed('inference', (row) => row.inference),
      ...failed('values', (row) => row.values.cpu),
      ...failed('first order', (row) => row.first),
      ...failed('second order', (row) => row.second),
    ]).toEqual([])
    expect(names.length).toBeGreaterThan(150)
    expect(passed((row) => row.inference)).toBeGreaterThan(110)
    expect(passed((row) => row.first)).toBeGreaterThan(70)
    console.log(`seed ${SEED}: ${names.length} node tests, ${passed((row) => row.first)} differentiated`)
  }, 120_000)
})
