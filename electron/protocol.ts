import type { Protocol } from 'electron'
import { pageFile } from '../engine/commands/door/index.ts'
import { isOurUrl } from './security.ts'

/** To be called before the app is ready: makes `app:` a proper origin, with secure context and fetch. */
export function registerScheme(protocol: Protocol): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } },
  ])
}

/** Serve the built page at `app://stillroom/`, with its content security policy as a header. */
export function servePage(protocol: Protocol, root: string): void {
  protocol.handle('app', ({ url, method }) => {
    if (!isOurUrl(url) || method !== 'GET') return new Response('not found', { status: 404 })
    const { status, headers, body } = pageFile(root, new URL(url).pathname)
    return new Response(Buffer.from(body), { status, headers })
  })
}
