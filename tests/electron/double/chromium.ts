/** The one Chromium in which all windows of the double live. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrowserContext, chromium, type Frame, type Request as PlaywrightRequest, type Route } from 'playwright-core'
import { CHROMIUM, CHROMIUM_ARGS } from '../chromium.ts'
import { state } from './state.ts'

export const profile = mkdtempSync(join(tmpdir(), 'stillroom-double-'))
process.on('exit', () => rmSync(profile, { recursive: true, force: true, maxRetries: 3 }))

/** Chromium knows no scheme of ours, so `app://name/` is loaded as `https://name.app.invalid/`, a secure origin that nothing answers. */
export const toChromium = (url: string): string => url.replace(/^app:\/\/([^/]+)/, 'https://$1.app.invalid')
export const fromChromium = (url: string): string => url.replace(/^https:\/\/([^/]+)\.app\.invalid/, 'app://$1')

/** Start it, and tell whoever started this process where its debugger listens, so that a test can hold the same pages. */
export async function startChromium(): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    chromiumSandbox: false,
    viewport: { width: 1280, height: 800 },
    args: [...CHROMIUM_ARGS, ...state.switches, '--remote-debugging-port=0'],
  })
  await context.route('**/*', answer)
  for (let i = 0; i < 100; i++) {
    try {
      const [port, path] = readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n')
      process.send?.({ kind: 'ready', endpoint: `ws://127.0.0.1:${port}${path}` })
      break
    } catch {
      await sleep(50)
    }
  }
  return context
}

/** Each request of a page: first the app's navigation handlers, then its filter, then its protocol handler. Nothing goes out. */
async function answer(route: Route): Promise<void> {
  const request = route.request()
  const url = fromChromium(request.url())
  const refuse = (): Promise<void> => {
    state.log.push(['blocked', url])
    return route.abort('blockedbyclient')
  }
  // "No content" leaves the page where it is, as a prevented navigation does; an aborted one would show an error page.
  if (request.isNavigationRequest() && !state.mayNavigate(frameOf(request), url)) return route.fulfill({ status: 204 })
  if (state.beforeRequest && (await state.beforeRequest(url))) return refuse()
  const handler = state.protocols.get(new URL(url).protocol.slice(0, -1))
  if (!handler) return refuse()
  const response = await handler(new Request(url, { method: request.method() }))
  await route.fulfill({
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: Buffer.from(await response.arrayBuffer()),
  })
}

/** The frame that navigates; undefined for a window that has only just been opened, which the window handler judges. */
function frameOf(request: PlaywrightRequest): Frame | undefined {
  try {
    return request.frame()
  } catch {
    return undefined
  }
}
