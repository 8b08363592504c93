/**
 * What the page may not do, and who may speak to the main process. The judging functions are pure, each with a good and a bad case in
 * `security.test.ts`; `guardApp` applies them.
 */
import type { App, Session, WebContents } from 'electron'

export const ORIGIN = 'app://stillroom'
export const START_URL = `${ORIGIN}/index.html`

/** Whether an address is of our page. */
export function isOurUrl(url: string): boolean {
  try {
    const { protocol, host } = new URL(url)
    return protocol === 'app:' && host === 'stillroom'
  } catch {
    return false
  }
}

interface Frame {
  readonly url: string
  readonly parent: unknown
}

/** Whether a message comes from our page in the top frame of one of our windows: not from a frame in it, nor from a page it was led to. */
export function isOurSender(event: { sender: { id: number }; senderFrame: Frame | null }, windows: ReadonlySet<number>): boolean {
  const { sender, senderFrame } = event
  return senderFrame !== null && senderFrame.parent === null && isOurUrl(senderFrame.url) && windows.has(sender.id)
}

/** Requests of the page that go anywhere: its own files, and what it made itself. The developer tools bring their own. */
export function mayLoad(url: string): boolean {
  return isOurUrl(url) || /^(data|blob|devtools):/.test(url)
}

/** Switches that keep Chromium's own services from the network, whatever it would like to look up or update. */
export const OFFLINE_SWITCHES: readonly (readonly [string, string?])[] = [
  ['disable-background-networking'],
  ['disable-component-update'],
  ['disable-domain-reliability'],
  ['disable-sync'],
  ['no-pings'],
  ['dns-prefetch-disable'],
  ['host-resolver-rules', 'MAP * ~NOTFOUND'],
  ['force-webrtc-ip-handling-policy', 'disable_non_proxied_udp'],
]

/** Deny navigation, new windows and embedded pages to every page there will be. */
export function guardApp(app: App): void {
  for (const [name, value] of OFFLINE_SWITCHES) app.commandLine.appendSwitch(name, value)
  app.on('web-contents-created', (_, contents) => guardContents(contents))
}

export function guardContents(contents: WebContents): void {
  contents.on('will-navigate', (event) => {
    if (!isOurUrl(event.url)) event.preventDefault()
  })
  contents.on('will-frame-navigate', (event) => {
    if (!event.isMainFrame) event.preventDefault()
  })
  contents.on('will-redirect', (event) => event.preventDefault())
  contents.on('will-attach-webview', (event) => event.preventDefault())
  contents.setWindowOpenHandler(() => ({ action: 'deny' }))
}

/** Deny permissions, devices, downloads, and every request that leaves the program. */
export function guardSession(session: Session): void {
  session.setPermissionRequestHandler((_contents, _permission, answer) => answer(false))
  session.setPermissionCheckHandler(() => false)
  session.setDevicePermissionHandler(() => false)
  session.webRequest.onBeforeRequest(({ url }, answer) => answer({ cancel: !mayLoad(url) }))
  session.on('will-download', (event) => event.preventDefault())
  // Its dictionaries would be downloaded.
  session.setSpellCheckerEnabled(false)
}
