/** Prints one plain line of counts from the JSON report of a test run, for readers that know no test runner. */
import { readFileSync } from 'node:fs'

interface Report {
  numPassedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { status: string; assertionResults: { status: string }[] }[]
}

/** A file that fails without a failed test (it could not be loaded) counts as one failure. */
export function testCounts(report: Report): string {
  const failures = report.testResults.map(({ status, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed').length
    return failed === 0 && status === 'failed' ? 1 : failed
  })
  const failed = failures.reduce((sum, n) => sum + n, 0)
  return `${report.numPassedTests} passed, ${failed} failed, ${report.numPendingTests + report.numTodoTests} skipped`
}

if (import.meta.main) {
  const path = process.argv[2]
  if (path === undefined) throw new Error('expected the path of a JSON report')
  process.stdout.write(`${testCounts(JSON.parse(readFileSync(path, 'utf8')) as Report)}\n`)
}
