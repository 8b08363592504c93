import type { Run, Store } from '../../runs/index.ts'
import type { CommandName, CommandOutput, EventName, HandlerOutput, ParsedInput, Commands } from '../contract/index.ts'
import type { z } from 'zod'

/** The run to go on with, handed to the handler of its own verb by `runs resume`. */
export interface ResumedRun {
  run: Run
  /** Newest checkpoint whose file is there; undefined when the run starts again from step 0. */
  checkpoint: { step: number; path: string } | undefined
}

/** What a handler may use besides its input. */
export interface HandlerContext<K extends CommandName = CommandName> {
  emit<E extends EventName<K>>(event: E, payload: z.input<Commands[K]['events'][E] & z.ZodType>): void
  /**
   * Aborted when the person stops the command or the front door is gone. A training loop then finishes its step, writes a
   * checkpoint, sets the run `stopped` and throws a StillroomError with code `interrupted` and the run id as `where`.
   */
  readonly signal: AbortSignal
  /** The run store, opened at the first use. */
  readonly store: Store
  readonly env: Readonly<Record<string, string | undefined>>
  /** Set when an earlier run is to be continued: claim that run instead of making one. */
  readonly resume: ResumedRun | undefined
  /** Run another command as a part of this one: same store, same signal. Its events arrive at `on`, or nowhere. */
  invoke<N extends CommandName>(
    name: N,
    input: z.input<Commands[N]['input']>,
    options?: { resume?: ResumedRun; on?: (event: string, payload: unknown) => void },
  ): Promise<CommandOutput<N>>
}

export type Handler<K extends CommandName> = (
  input: ParsedInput<K>,
  context: HandlerContext<K>,
) => Promise<HandlerOutput<K>> | HandlerOutput<K>

/** Give a handler its types: `export default handler<'inspect'>(async (input, { signal }) => …)`. */
export const handler = <K extends CommandName>(handle: Handler<K>): Handler<K> => handle

/** Where the handlers are. Each is imported at its first use, so that a quick command does not load the whole engine. */
export type HandlerTable = { readonly [K in CommandName]?: () => Promise<{ default: Handler<K> }> }

/** Name of the file that holds a command's handler: `data.inspect` lies in `dataInspect.ts`. */
export const handlerFile = (name: CommandName): string =>
  `${name.replace(/\.(\w)/g, (_, letter: string) => letter.toUpperCase())}.ts`
