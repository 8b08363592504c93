import { setTimeout as sleep } from 'node:timers/promises'
import { OptionError } from '../../errors.ts'
import { commands, isCommandName } from '../contract/index.ts'
import { handler } from './handler.ts'
import { usableCheckpoint } from './runView.ts'

/** A host whose front door was killed finishes its step and leaves; wait for it this long, in milliseconds. */
const WAIT_MS = 20_000

/** Runs the verb of the run again with its resolved input; that verb's handler finds the run and its checkpoint in `resume`. */
export default handler<'runs.resume'>(async ({ id }, { store, signal, emit, invoke }) => {
  const deadline = Date.now() + WAIT_MS
  while (store.getRun(id).status === 'running' && Date.now() < deadline && !signal.aborted) await sleep(100)
  const run = store.getRun(id)
  if (run.status === 'running') {
    throw new OptionError(`run ${id} is still going in process ${run.host?.pid}`, { where: 'id', hint: 'stop that process first' })
  }
  if (run.status === 'done') throw new OptionError(`run ${id} is done; there is nothing to go on with`, { where: 'id' })
  if (!isCommandName(run.kind) || !Object.hasOwn(commands[run.kind].events, 'started')) {
    throw new OptionError(`run ${id} was made by '${run.kind}', which cannot be resumed`, { where: 'id' })
  }
  const checkpoint = usableCheckpoint(store, id)
  store.rewindRun(id, checkpoint?.step ?? 0)
  // Where the store lies now counts, not where it lay when the run began.
  const input = { ...((run.resolved ?? run.recipe) as object), store: store.path }
  const resume = { run, checkpoint: checkpoint && { step: checkpoint.step, path: checkpoint.path } }
  const on = (event: string, payload: unknown): void => emit(event as 'message', payload as never)
  const result = (await invoke(run.kind, input as never, { resume, on })) as Record<string, unknown>
  return { resumedFromStep: checkpoint?.step ?? 0, ...result, run: id }
})
