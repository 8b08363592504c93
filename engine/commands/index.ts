/** The command contract with what executes it: all that a front door needs of the engine. */
export * from './contract/index.ts'
export { childPort } from './childPort.ts'
export { type CallOptions, type Client, type Listeners, makeClient, type Transport } from './client.ts'
export { type Dispatcher, makeDispatcher } from './dispatch.ts'
export type { Handler, HandlerContext, HandlerTable, ResumedRun } from './handlers/handler.ts'
export { handlers } from './handlers/list.gen.ts'
export { type FromHost, type HostPort, serveHost, type ToHost } from './host.ts'
export { hasScheme, parseRecipe, pathFrom, readRecipe } from './handlers/recipeFile.ts'
export {
  type ChildTransport,
  childProcess,
  EngineExitedError,
  type HostProcess,
  hostTransport,
  inProcess,
  type StartHost,
} from './transports.ts'
export { settleDeadRuns } from './settle.ts'
