import { describe, expect, it } from 'vitest'
import { spansOf } from './spans.ts'

const stages = [
  { name: 'a', share: 0.25 },
  { name: 'b', share: 0.75 },
]

describe('spans of steps', () => {
  it('are the stages, the last to the end', () => {
    expect(spansOf(stages, 10).map((s) => [s.stage.name, s.start, s.end, s.frozen])).toEqual([
      ['a', 0, 3, false],
      ['b', 3, 10, false],
    ])
  })

  it('break where statistics freeze, and keep the stage that schedules go by', () => {
    expect(spansOf(stages, 10, 0.5).map((s) => [s.start, s.end, s.from, s.to, s.frozen])).toEqual([
      [0, 3, 0, 3, false],
      [3, 5, 3, 10, false],
      [5, 10, 3, 10, true],
    ])
    expect(spansOf(stages, 10, 0).every((s) => s.frozen)).toBe(true)
  })
})
