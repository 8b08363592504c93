import type { Frame } from 'playwright-core'

type ProtocolHandler = (request: Request) => Response | Promise<Response>

/** What the parts of the double share, and what a test looks at. */
export const state = {
  /** What the app did that leaves no other trace, in order: `[what, detail]`. */
  log: [] as [string, unknown][],
  /** Switches that the app gave to Chromium before it was ready. */
  switches: [] as string[],
  protocols: new Map<string, ProtocolHandler>(),
  /** Whether `session.webRequest` cancels a request. */
  beforeRequest: undefined as ((url: string) => Promise<boolean>) | undefined,
  /** Asks the web contents of the frame. */
  mayNavigate: (_frame: Frame | undefined, _url: string): boolean => true,
}
