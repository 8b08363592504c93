/** What axe-core finds on a page. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Violation {
  id: string
  nodes: { target: string[] }[]
}

/** Rules that the page breaks, with where. axe-core comes in by the debugger: the page's policy refuses scripts. */
export async function violations(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page)
  await session.send('Runtime.evaluate', { expression: axe })
  const expression = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => JSON.stringify(violations))"
  const { result } = await session.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
  await session.detach()
  const found = JSON.parse(result.value as string) as Violation[]
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}

/** The same in light and in dark, each line with what was looked at. */
export async function violationsInBoth(page: Page, what: string): Promise<string[]> {
  const found: string[] = []
  for (const colorScheme of ['light', 'dark'] as const) {
    // Without motion: in the middle of a change of colours their contrast is neither.
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    found.push(...(await violations(page)).map((line) => `${what}, ${colorScheme}: ${line}`))
  }
  return found
}
