/** The preload: carries messages and holds no logic. It is built into one file, since a sandboxed preload can load nothing but `electron`. */
import { contextBridge, ipcRenderer, type IpcRendererEvent, webUtils } from 'electron'
import type { Wire } from '../../engine/commands/contract/index.ts'
import { CHANNELS } from './channels.ts'

const wire: Wire = {
  kind: 'electron',
  request: (name, params) => ipcRenderer.invoke(CHANNELS.request, name, params),
  listen(listener) {
    const heard = (_: IpcRendererEvent, push: unknown): void => listener(push)
    ipcRenderer.on(CHANNELS.push, heard)
    return () => void ipcRenderer.off(CHANNELS.push, heard)
  },
  // The only way for the page to name a path by itself: it must hold the File, which it gets from a drop or a file input alone. A File that a
  // script made has no path.
  takeFiles: (files) =>
    ipcRenderer.invoke(
      CHANNELS.files,
      files.map((file) => webUtils.getPathForFile(file)),
    ),
}

contextBridge.exposeInMainWorld('stillroom', wire)
