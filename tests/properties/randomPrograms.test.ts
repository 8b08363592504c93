import { expect, it } from 'vitest'
import { checkPrograms } from './checkPrograms.ts'

/** `npm run study -- random-programs` goes through 2,000 of them. */
it('gradients of random programs agree with differences', async () => {
  const seed = 1
  const { failures, programs, calls, operators, checked, skipped, single } = await checkPrograms(seed, 0, 100)
  console.log(
    `seed ${seed}: ${programs} programs, ${calls} calls of ${operators.size} operators, ${checked} entries compared, ${skipped} at kinks; not in double: ${single.join(' ')}`,
  )
  expect(failures).toEqual([])
  expect(skipped).toBeLessThanOrEqual(0.05 * (checked + skipped))
  expect(calls).toBeGreaterThan(1500)
  expect(operators.size).toBeGreaterThan(80)
}, 120_000)
