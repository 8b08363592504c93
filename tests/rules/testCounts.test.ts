import { expect, it } from 'vitest'
import { testCounts } from '../../scripts/testCounts.ts'

it('counts tests, and a file that could not be loaded as one failure', () => {
  const test = (status: string) => ({ status })
  const report = {
    numPassedTests: 4,
    numPendingTests: 2,
    numTodoTests: 1,
    testResults: [
      { status: 'failed', assertionResults: [test('failed'), test('failed'), test('passed')] },
      { status: 'failed', assertionResults: [] },
      { status: 'passed', assertionResults: [test('passed'), test('pending')] },
    ],
  }
  expect(testCounts(report)).toBe('4 passed, 3 failed, 3 skipped')
})
