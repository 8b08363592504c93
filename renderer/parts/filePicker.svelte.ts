import type { FileListing, Picker, PickRequest } from '../../engine/commands/contract/index.ts'

interface Open {
  request: PickRequest
  files: FileListing
  settle: (path: string | undefined) => void
}

/** The question that is open, drawn by FilePicker.svelte. */
export const picking = $state<{ open: Open | undefined }>({ open: undefined })

/** The page's own file dialog, where there is no native one. A second question takes the place of the first. */
export const pickInPage: Picker = (request, files) => {
  picking.open?.settle(undefined)
  return new Promise((resolve) => {
    picking.open = {
      request,
      files,
      settle(path) {
        picking.open = undefined
        resolve(path)
      },
    }
  })
}
