import { BugError, OptionError, StillroomError, UnsupportedError } from '../errors.ts'
import { openStore, type Store } from '../runs/index.ts'
import type { Provider } from '../session/index.ts'
import { type Command, commands, isCommandName, parseInput } from './contract/index.ts'
import { type HandlerContext, handlerFile, type HandlerTable, type ResumedRun } from './handlers/handler.ts'

type AnyHandler = (input: never, context: HandlerContext<never>) => unknown

export interface CallEnd {
  emit(event: string, payload: unknown): void
  signal: AbortSignal
  resume?: ResumedRun | undefined
}

export interface Dispatcher {
  /** Validate the input, run the handler, validate the events and the output. */
  call(name: string, input: unknown, end: CallEnd): Promise<unknown>
  /** Close the stores that were opened. */
  close(): void
}

/** The one place where commands are executed, whichever process it is in. It trusts nobody: everything is parsed here. */
export function makeDispatcher(table: HandlerTable, env: Record<string, string | undefined> = process.env): Dispatcher {
  const stores = new Map<string | undefined, Store>()
  const storeAt = (path: string | undefined): Store => {
    let store = stores.get(path)
    if (!store) stores.set(path, (store = openStore(path)))
    return store
  }

  const call: Dispatcher['call'] = async (name, input, { emit, signal, resume }) => {
    if (!isCommandName(name)) throw new OptionError(`there is no command '${name}'`, { where: 'command' })
    const command: Command = commands[name]
    const parsed = parseInput(command.input, input)
    const load = table[name]
    if (!load) {
      throw new UnsupportedError(`'${name.replace('.', ' ')}' does not run yet`, {
        where: name,
        hint: `its handler belongs in engine/commands/handlers/${handlerFile(name)}`,
      })
    }
    const storePath = parsed['store'] as string | undefined
    const context: HandlerContext = {
      emit(event: string, payload: unknown) {
        if (!Object.hasOwn(command.events, event)) throw new BugError(`command ${name} has no event '${event}'`)
        emit(event, checked(command.events[event]!, payload, `event '${event}' of ${name}`))
      },
      signal,
      get store() {
        return storeAt(storePath)
      },
      env,
      resume,
      invoke: (other, otherInput, { resume, on } = {}) => {
        const shared = Object.hasOwn(commands[other].input.shape, 'store') && storePath !== undefined ? { store: storePath } : {}
        const end = { emit: on ?? (() => undefined), signal, resume }
        return call(other, { ...shared, ...(otherInput as object) }, end) as never
      },
    }
    await usable(name, parsed['provider'])
    const { default: handle } = (await load()) as { default: AnyHandler }
    return checked(command.output, await handle(parsed as never, context), `result of ${name}`)
  }

  return {
    call,
    close() {
      for (const store of stores.values()) store.close()
      stores.clear()
    },
  }
}

/** A provider that cannot be used is refused before a command makes anything. `devices` is there to tell of it. */
async function usable(name: string, provider: unknown): Promise<void> {
  if (provider === undefined || provider === 'cpu' || name === 'devices') return
  const { requireProvider } = await import('../session/index.ts')
  await requireProvider(provider as Provider)
}

/** What our own code produced: a mismatch is a fault of this program, not of the user's input. */
function checked(schema: Command['output'], value: unknown, what: string): unknown {
  try {
    return parseInput(schema, value)
  } catch (error) {
    if (error instanceof StillroomError) throw new BugError(`${what}: ${error.message}`, { cause: error })
    throw error
  }
}
