import { EventEmitter } from 'node:events'
import { state } from './state.ts'

export const protocol = {
  registerSchemesAsPrivileged: (schemes: unknown): void => void state.log.push(['schemes', schemes]),
  handle: (scheme: string, handler: (request: Request) => Response | Promise<Response>): void =>
    void state.protocols.set(scheme, handler),
}

type Filter = (details: { url: string }, answer: (response: { cancel?: boolean }) => void) => void

/** The session's handlers are kept: Chromium asks for no permission in the double, so a test calls them itself. */
class Session extends EventEmitter {
  permissionRequest: unknown
  permissionCheck: unknown
  readonly protocol = protocol
  readonly webRequest = {
    onBeforeRequest(filter: Filter): void {
      state.beforeRequest = (url) => new Promise((resolve) => filter({ url }, ({ cancel }) => resolve(cancel === true)))
    },
  }
  setPermissionRequestHandler(handler: unknown): void {
    this.permissionRequest = handler
  }
  setPermissionCheckHandler(handler: unknown): void {
    this.permissionCheck = handler
  }
  setDevicePermissionHandler(): void {}
  setSpellCheckerEnabled(enabled: boolean): void {
    state.log.push(['spell checker', enabled])
  }
}

export const session = { defaultSession: new Session() }
