/** How the page reaches the program: in, a file dialog of its own for browsers; out, the door. */
import type { Door, Picker, Wire } from '../../engine/commands/contract/index.ts'
import { makeDoor } from './makeDoor.ts'
import { webSocketWire } from './webSocketDoor.ts'

/** Open the door that this page came through: the desktop's preload, or the server of the page. */
export function openDoor(picker: Picker): Promise<Door> {
  const { stillroom } = window as { stillroom?: Wire }
  return makeDoor(stillroom ?? webSocketWire(), picker)
}
