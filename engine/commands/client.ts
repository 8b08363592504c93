import type { CommandInput, CommandName, CommandOutput, EventName, EventPayload } from './contract/index.ts'

/**
 * What carries calls to where they run. Three functions, so that a message port, a socket or a child process can be one.
 * `id` names a call: its events come to the listener of `subscribe`, and `cancel` asks it to stop.
 */
export interface Transport {
  invoke(id: string, command: string, input: unknown): Promise<unknown>
  subscribe(id: string, listener: (event: string, payload: unknown) => void): () => void
  cancel(id: string): void
}

/** One callback for each event of a command; all are optional. */
export type Listeners<K extends CommandName> = { [E in EventName<K>]?: (payload: EventPayload<K, E>) => void }

export interface CallOptions {
  /** Aborting asks the command to stop; the call then rejects when it has. */
  signal?: AbortSignal
}

/** A typed function for each command. */
export type Client<N extends CommandName = CommandName> = {
  [K in N]: (input: CommandInput<K>, on?: Listeners<K>, options?: CallOptions) => Promise<CommandOutput<K>>
}

let calls = 0

/** The client of some commands over a transport. It holds no logic and no schemas: both ends of a transport validate. */
export function makeClient<N extends CommandName>(names: readonly N[], transport: Transport): Client<N> {
  const call = async (
    name: N,
    input: unknown,
    on: Record<string, ((payload: never) => void) | undefined> = {},
    { signal }: CallOptions = {},
  ) => {
    signal?.throwIfAborted()
    const id = `${Date.now().toString(36)}-${++calls}`
    const cancel = (): void => transport.cancel(id)
    // Listeners are removed whatever happens, or a window that lives for days would collect them.
    const unsubscribe = transport.subscribe(id, (event, payload) => {
      if (Object.hasOwn(on, event)) on[event]?.(payload as never)
    })
    signal?.addEventListener('abort', cancel)
    try {
      return await transport.invoke(id, name, input)
    } finally {
      signal?.removeEventListener('abort', cancel)
      unsubscribe()
    }
  }
  const client = Object.fromEntries(
    names.map((name) => [name, (input: unknown, on?: never, options?: CallOptions) => call(name, input, on, options)]),
  )
  return client as unknown as Client<N>
}
