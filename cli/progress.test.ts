import { describe, expect, it } from 'vitest'
import { makeProgress } from './progress.ts'
import { bytes, columns, duration, measured, plain, table } from './table.ts'

const STEP = { step: 1, steps: 4, losses: { total: 0.51234, soft: 0.25 }, rate: 12.3456, etaSeconds: 75, lr: 0.001 }

function screen(isTTY: boolean) {
  let text = ''
  return { isTTY, columns: 60, write: (more: string) => (text += more), take: () => text }
}

describe('progress', () => {
  it('writes one line a second where there is no terminal, and always the last step', () => {
    let now = 0
    const out = screen(false)
    const progress = makeProgress(out, false, () => now)
    for (const [at, step] of [
      [0, 1],
      [400, 2],
      [1100, 3],
      [1200, 4],
    ] as const) {
      now = at
      progress.event('step', { ...STEP, step })
    }
    const lines = out.take().trim().split('\n')
    expect(lines.map((line) => line.slice(0, 8))).toEqual(['step 1/4', 'step 3/4', 'step 4/4'])
    expect(lines[0]).toBe('step 1/4  total 0.5123  soft 0.25  12.35/s  1:15 min left  lr 0.001')
  })

  it('draws one bar within the width of a terminal, and takes it away', () => {
    const out = screen(true)
    const progress = makeProgress(out, false, () => 0)
    progress.event('step', STEP)
    progress.clear()
    const [, drawn, cleared] = out.take().split('\r')
    expect(drawn).toMatch(/^\[#{6}\.{18}\] step 1\/4/)
    expect(drawn!.replace('\u001b[K', '').length).toBeLessThan(60)
    expect(cleared).toBe('\u001b[K')
  })

  it('keeps errors and nothing else when quiet', () => {
    const out = screen(false)
    const progress = makeProgress(out, true)
    progress.event('message', { level: 'info', text: 'hello' })
    progress.event('step', STEP)
    progress.event('message', { level: 'error', text: 'disk full' })
    expect(out.take()).toBe('error: disk full\n')
  })
})

describe('text', () => {
  it('aligns numbers to the right and takes the teeth from control characters', () => {
    expect(
      table(
        ['name', 'n'],
        [
          ['a\u001b[2Jb', '1,000'],
          ['c', '5'],
        ],
      ),
    ).toBe(['name        n', 'a?[2Jb  1,000', 'c           5'].join('\n'))
    expect(plain('a\nb\u202ec')).toBe('a?b?c')
    expect(columns([])).toBe('')
  })

  it('writes quantities as people do', () => {
    expect([bytes(999), bytes(1536), bytes(5 * 2 ** 30)]).toEqual(['999 B', '1.50 KiB', '5.00 GiB'])
    expect([duration(1.23), duration(75), duration(3725), duration(Infinity)]).toEqual(['1.2 s', '1:15 min', '1:02 h', '?'])
    expect(measured({ value: 0.98123, ci95: [0.97, 0.99] })).toBe('0.9812 [0.97, 0.99]')
  })
})
