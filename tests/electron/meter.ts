/** Measuring what a page costs. */
import type { Page } from 'playwright-core'

/** Processor time that the page's main thread spends on something, in milliseconds: what it would take on a machine that is not busy. */
export async function meter(page: Page): Promise<(act: () => Promise<unknown>) => Promise<number>> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  const spent = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics')
    return 1000 * metrics.find(({ name }) => name === 'TaskDuration')!.value
  }
  return async (act) => {
    const before = await spent()
    await act()
    return (await spent()) - before
  }
}

/** A frame is drawn at the latest when the next one begins. */
export const frame = (page: Page): Promise<void> =>
  page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))))

export const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]!
