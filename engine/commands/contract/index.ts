/**
 * The command contract: names, schemas, events and error codes, shared by the command line, the window and the browser.
 * Imports zod and `engine/errors.ts` alone, so that any process can load it.
 */
import type { z } from 'zod'
import { benchmark } from './benchmark.ts'
import type { Command, RunsIn } from './command.ts'
import { compress } from './compress.ts'
import { runsCurves, runsLabel, runsLog, runsRate } from './curves.ts'
import { dataInspect } from './data.ts'
import { demo } from './demo.ts'
import { devices } from './devices.ts'
import { diskClean, diskUsage, privacy } from './disk.ts'
import { distill } from './distill.ts'
import { evaluate } from './evaluate.ts'
import { exportModel } from './export.ts'
import { gradcheck } from './gradcheck.ts'
import { inspect } from './inspect.ts'
import { libraryAdd, libraryList, libraryRemove } from './library.ts'
import { methodsCheck, methodsList, methodsShow } from './methods.ts'
import { modelGraph, modelWeights } from './model.ts'
import { catalogue, planCost, planForecast } from './plan.ts'
import { dataPreview } from './preview.ts'
import { quantize } from './quantize.ts'
import { recipeRead } from './recipeRead.ts'
import { runsCompare, runsDelete, runsExport, runsList, runsResume, runsShow } from './runs.ts'
import { serve } from './serve.ts'
import { evaluateSamples } from './samples.ts'
import { train } from './train.ts'
import { why } from './why.ts'

/** Every command by name; a verb with subcommands is `verb.subcommand`. The order is that of the help. */
export const commands = {
  inspect,
  'model.graph': modelGraph,
  'model.weights': modelWeights,
  gradcheck,
  'data.inspect': dataInspect,
  'data.preview': dataPreview,
  catalogue,
  'recipe.read': recipeRead,
  'plan.cost': planCost,
  'plan.forecast': planForecast,
  train,
  distill,
  quantize,
  why,
  evaluate,
  'evaluate.samples': evaluateSamples,
  benchmark,
  export: exportModel,
  compress,
  demo,
  'methods.list': methodsList,
  'methods.show': methodsShow,
  'methods.check': methodsCheck,
  'runs.list': runsList,
  'runs.show': runsShow,
  'runs.compare': runsCompare,
  'runs.resume': runsResume,
  'runs.export': runsExport,
  'runs.delete': runsDelete,
  'runs.curves': runsCurves,
  'runs.log': runsLog,
  'runs.label': runsLabel,
  'runs.rate': runsRate,
  'library.list': libraryList,
  'library.add': libraryAdd,
  'library.remove': libraryRemove,
  'disk.usage': diskUsage,
  'disk.clean': diskClean,
  privacy,
  devices,
  serve,
} satisfies Record<string, Command>

export type Commands = typeof commands
export type CommandName = keyof Commands
/** Names of the commands that run in one kind of process. */
export type CommandNameIn<R extends RunsIn> = { [K in CommandName]: Commands[K]['runsIn'] extends R ? K : never }[CommandName]

/** What a caller gives (defaults may be left out). */
export type CommandInput<K extends CommandName> = z.input<Commands[K]['input']>
/** What a handler gets (defaults filled in). */
export type ParsedInput<K extends CommandName> = z.output<Commands[K]['input']>
/**
 * A type without the index signatures of loose objects, which values typed by an interface cannot satisfy. An object that is
 * nothing but an index signature (a record) keeps it.
 */
type Closed<T> = T extends readonly unknown[]
  ? { [I in keyof T]: Closed<T[I]> }
  : T extends object
    ? keyof Known<T> extends never
      ? { [K in keyof T]: Closed<T[K]> }
      : { [K in keyof Known<T>]: Closed<Known<T>[K]> }
    : T
type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] }

/** What a handler returns: the output's fields, and any more. */
export type HandlerOutput<K extends CommandName> = z.input<Commands[K]['output']> | Closed<z.input<Commands[K]['output']>>
/** What a caller gets. */
export type CommandOutput<K extends CommandName> = z.output<Commands[K]['output']>
export type CommandEvents<K extends CommandName> = Commands[K]['events']
export type EventName<K extends CommandName> = keyof CommandEvents<K> & string
export type EventPayload<K extends CommandName, E extends EventName<K>> = CommandEvents<K>[E] extends z.ZodType
  ? z.output<CommandEvents<K>[E]>
  : never

export const commandNames = Object.keys(commands) as CommandName[]
export const isCommandName = (name: string): name is CommandName => Object.hasOwn(commands, name)

export type { Command, RunsIn } from './command.ts'
export { namesFile, pathFields, providers, optimizers, schedules } from './options.ts'
export { runStatuses } from './runs.ts'
export { variants } from './export.ts'
export { schemes } from './quantize.ts'
export { type Field, fieldsOf } from './fields.ts'
export { fieldName, parseInput } from './issues.ts'
export { type MethodChoice, methodChoices } from './methodChoices.ts'
export { didYouMean, nearest } from './nearest.ts'
export { type FullRecipe, fullRecipe, Recipe, recipeJsonSchema } from './recipe.ts'
export { thin } from './thin.ts'
export { fromWire, toWire, type WireError } from './wire.ts'
export type { Door, FileListing, Jobs, Picker, PickRequest, Unsubscribe, Wire } from './door.ts'
export {
  Answer,
  type DoorAnswer,
  DoorInfo,
  type DoorParams,
  DoorPush,
  type DoorRequest,
  doorRequests,
  Grant,
  isDoorRequest,
  Job,
  JobEvent,
  jobStates,
  Listing,
  type PickKind,
  pickKinds,
  Queue,
  Recent,
  Settings,
} from './doorMessages.ts'
export { type MenuAction, menuActions, type MenuEntry, menus } from './menu.ts'
