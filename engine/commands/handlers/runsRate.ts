import { OptionError } from '../../errors.ts'
import { handler } from './handler.ts'

/** Verbs whose training loop looks for a changed rate. */
const KINDS = ['train', 'distill']

export default handler<'runs.rate'>(({ id, lr }, { store }) => {
  const given = store.getRun(id)
  // A pipeline trains in a run of its own kind, in the same process.
  const part = store
    .listRuns({ status: 'running' })
    .find(({ kind, host }) => KINDS.includes(kind) && host !== null && host.pid === given.host?.pid)
  const run = KINDS.includes(given.kind) ? given : (part ?? given)
  if (!KINDS.includes(run.kind))
    throw new OptionError(`run ${id} was made by '${run.kind}', which trains nothing now`, { where: 'id' })
  if (run.status === 'done' || run.status === 'failed')
    throw new OptionError(`run ${id} is ${run.status}; its learning rate is past`, { where: 'id' })
  store.askRate(run.id, lr)
  return { run: run.id, lr, running: run.status === 'running' }
})
