import { describe, expect, it } from 'vitest'
import { compareSlopes, DOUBLE, TOLERANCE } from './stencil.ts'

/** One function of one number, with the gradient that is claimed. */
const compared = async (f: (x: number) => number, x: number, claimed: number) => {
  const [found] = await compareSlopes((v) => Promise.resolve([f(v)]), x, [f(x)], [claimed], 1, [Math.abs(claimed)], DOUBLE)
  return { ...found!, passes: !found!.kink && found!.error <= TOLERANCE }
}

/** A slope of 1 and 4,000 kinks on both sides, so dense that the usual step crosses 200 of them, all bending upwards on the right. */
const dense = (x: number) => {
  let y = x
  for (let k = 1; k <= 2000; k++) y += 1e-4 * (Math.max(0, x - (k - 0.5) * 1e-7) + Math.max(0, (0.5 - k) * 1e-7 - x))
  return y
}
/** As `dense`, bending on one side only: central differences are off by half of it. */
const oneSided = (x: number) => {
  let y = x
  for (let k = 1; k <= 2000; k++) y += 1e-4 * Math.max(0, x - (k - 0.5) * 1e-7)
  return y
}

describe('compareSlopes', () => {
  it('agrees with right gradients and not with wrong ones', async () => {
    expect(await compared(Math.sin, 1, Math.cos(1))).toMatchObject({ passes: true, vacuous: false })
    expect(await compared(Math.sin, 1, 1.002 * Math.cos(1))).toMatchObject({ passes: false, kink: false })
    expect(await compared((x) => 1e6 + x, 1, 1.1)).toMatchObject({ passes: false, kink: false })
  })

  it('takes the slope between kinks, however dense they are', async () => {
    for (const f of [dense, oneSided]) {
      expect(await compared(f, 0, 1)).toMatchObject({ passes: true })
      expect(await compared(f, 0, 0.998)).toMatchObject({ passes: false, kink: false })
    }
    expect(await compared(Math.abs, 1e-7, 1)).toMatchObject({ passes: true })
    expect(await compared(Math.abs, 1e-7, -1)).toMatchObject({ passes: false, kink: false })
  })

  it('says nothing at a kink, a jump or the end of a domain', async () => {
    expect(await compared(Math.abs, 0, 1)).toMatchObject({ kink: true })
    expect(await compared((x) => Math.sign(x - 1), 1, 0)).toMatchObject({ kink: true })
    expect(await compared(Math.sqrt, 0, Infinity)).toMatchObject({ kink: true })
  })

  it('tells slopes that vanish', async () => {
    expect(await compared(() => 3, 1, 0)).toMatchObject({ passes: true, vacuous: true })
    // Wrong, but as small as that.
    expect(await compared(() => 3, 1, 1)).toMatchObject({ passes: false, vacuous: false })
  })
})
