import { type z } from 'zod'

/** Which process executes a command: the caller's own (`main`), or an engine host that may crash without harm (`engine`). */
export type RunsIn = 'main' | 'engine'

/** Schemas of a command's events, by event name. */
export type EventSchemas = Record<string, z.ZodType>

export interface CommandSpec<R extends RunsIn, I extends z.ZodObject, O extends z.ZodType, E extends EventSchemas> {
  /** One sentence, shown by `--help` and by the window. */
  help: string
  runsIn: R
  input: I
  output: O
  events?: E
  /** Input fields that the command line takes by position, in order; the last may be a list and then takes the rest. */
  positional?: readonly (keyof z.output<I> & string)[]
}

/** A command as it lies in the table: events are always there, possibly none. */
export interface Command<
  R extends RunsIn = RunsIn,
  I extends z.ZodObject = z.ZodObject,
  O extends z.ZodType = z.ZodType,
  E extends EventSchemas = EventSchemas,
> {
  help: string
  runsIn: R
  input: I
  output: O
  events: E
  positional: readonly string[]
}

/** Describe one command: the one place where its name, input, output and events are typed for every front door. */
export function command<
  R extends RunsIn,
  I extends z.ZodObject,
  O extends z.ZodType,
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- "no events" must be a type without keys
  E extends EventSchemas = {},
>(spec: CommandSpec<R, I, O, E>): Command<R, I, O, E> {
  return { ...spec, events: spec.events ?? ({} as E), positional: spec.positional ?? [] }
}
