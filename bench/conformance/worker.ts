/** Judges a list of node tests, or of operators' examples, and appends one JSON line for each: `worker.ts JOB.json RESULTS.jsonl`. */
import { appendFileSync, readFileSync } from 'node:fs'
import { ruleBook } from '../../engine/ops/index.ts'
import { judgeExamples, ruleKey } from './examples.ts'
import { judge, type JudgeOptions } from './judge.ts'
import { readNodeTest } from './nodeTest.ts'

export interface Job {
  folder: string | undefined
  /** Tests by name; `rule:KEY` for the examples of a rule. */
  names: string[]
  options: JudgeOptions
}

const [job, results] = process.argv.slice(2)
const { folder, names, options } = JSON.parse(readFileSync(job!, 'utf8')) as Job
for (const name of names) {
  const key = name.startsWith('rule:') ? name.slice(5) : undefined
  const rule = key === undefined ? undefined : ruleBook.rules.find((r) => ruleKey(r) === key)
  const line = rule ? await judgeExamples(rule, options) : await judge(folder!, readNodeTest(folder!, name), options)
  appendFileSync(results!, `${JSON.stringify({ ...line, name })}\n`)
}
