import { type BrowserWindow, dialog, type FileFilter } from 'electron'
import type { DoorParams, PickKind } from '../engine/commands/index.ts'

const EVERY: FileFilter = { name: 'All Files', extensions: ['*'] }
const FILTERS: Record<PickKind, FileFilter[]> = {
  model: [{ name: 'ONNX Models', extensions: ['onnx', 'ort'] }, EVERY],
  recipe: [{ name: 'Recipes', extensions: ['json', 'yaml', 'yml'] }, EVERY],
  data: [EVERY],
  any: [EVERY],
}

/** Ask by a native dialog; null when the person changes their mind. */
export async function pick(
  window: BrowserWindow,
  { mode, kind, purpose, suggestedName }: DoorParams<'pick'>,
): Promise<string | null> {
  if (mode === 'save') {
    const { canceled, filePath } = await dialog.showSaveDialog(window, {
      filters: FILTERS[kind],
      ...(suggestedName === undefined ? {} : { defaultPath: suggestedName }),
      properties: ['createDirectory', 'showOverwriteConfirmation'],
    })
    return canceled ? null : filePath
  }
  const { canceled, filePaths } = await dialog.showOpenDialog(
    window,
    mode === 'file'
      ? { properties: ['openFile'], filters: FILTERS[kind] }
      : { properties: ['openDirectory', ...(purpose === 'write' ? (['createDirectory'] as const) : [])] },
  )
  return canceled ? null : (filePaths[0] ?? null)
}

/** Whether to quit though something runs: what can be resumed writes a checkpoint first. */
export async function mayQuit(window: BrowserWindow | undefined, running: number): Promise<boolean> {
  const options = {
    type: 'question' as const,
    buttons: ['Quit', 'Keep Running'],
    defaultId: 1,
    cancelId: 1,
    message: running === 1 ? 'A job is running.' : `${running} jobs are running.`,
    detail: 'Training writes a checkpoint and can be resumed; what waits in the queue goes on at the next start.',
  }
  const { response } = await (window ? dialog.showMessageBox(window, options) : dialog.showMessageBox(options))
  return response === 0
}
