import type { IpcMain, IpcMainInvokeEvent, WebContents } from 'electron'
import type { DoorService, Page } from '../engine/commands/door/index.ts'
import { CHANNELS } from './preload/channels.ts'
import { isOurSender } from './security.ts'

/** Largest number of files in one drop. */
const FILES = 10_000

/**
 * Connect windows to the door. A message of a stranger is refused before anything in it is looked at.
 * @returns a function that admits a window's page
 */
export function connectPages(ipc: IpcMain, service: DoorService): (contents: WebContents) => void {
  const pages = new Map<number, Page>()
  const pageOf = (event: IpcMainInvokeEvent): Page => {
    const page = pages.get(event.sender.id)
    if (!page || !isOurSender(event, new Set(pages.keys()))) throw new Error('refused: this message is not of our page')
    return page
  }
  ipc.handle(CHANNELS.request, (event, name: unknown, params: unknown) => pageOf(event).request(name, params))
  ipc.handle(CHANNELS.files, (event, paths: unknown) => {
    pageOf(event)
    if (!Array.isArray(paths) || paths.length > FILES || !paths.every((path) => typeof path === 'string' && path !== '')) {
      return { error: { code: 'option', message: 'these are no files of this machine', hint: 'drop files from a file manager' } }
    }
    return { ok: service.allow(paths as string[], 'drop') }
  })

  return (contents) => {
    const open = (): Page =>
      service.page((push) => {
        if (!contents.isDestroyed()) contents.send(CHANNELS.push, push)
      })
    const { id } = contents
    pages.set(id, open())
    // A page that is loaded anew knows nothing of its earlier calls.
    contents.on('did-start-navigation', ({ isMainFrame, isSameDocument }) => {
      if (!isMainFrame || isSameDocument) return
      pages.get(id)?.close()
      pages.set(id, open())
    })
    contents.on('destroyed', () => {
      pages.get(id)?.close()
      pages.delete(id)
    })
  }
}
