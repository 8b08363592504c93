import type {
  CommandInput,
  CommandName,
  CommandOutput,
  Door,
  EventName,
  EventPayload,
} from '../../engine/commands/contract/index.ts'

type Listeners<K extends CommandName> = { [E in EventName<K>]?: (payload: EventPayload<K, E>) => void }

/** Call a command that answers within seconds. Aborting the signal asks it to stop. Errors: StillroomError. */
export type Call = <K extends CommandName>(
  name: K,
  input: CommandInput<K>,
  on?: Listeners<K>,
  signal?: AbortSignal,
) => Promise<CommandOutput<K>>

let calls = 0

/** Typed calls over a door. */
export function makeCall(door: Door): Call {
  return async (name, input, on = {}, signal) => {
    const id = `${name}-${++calls}-${crypto.randomUUID()}`
    const off = door.subscribe(id, (event, payload) => (on as Record<string, ((p: unknown) => void) | undefined>)[event]?.(payload))
    const cancel = (): void => door.cancel(id)
    signal?.addEventListener('abort', cancel)
    try {
      // A state proxy of the page cannot cross a message port; plain data can.
      return (await door.invoke(id, name, JSON.parse(JSON.stringify(input)))) as never
    } finally {
      signal?.removeEventListener('abort', cancel)
      off()
    }
  }
}
