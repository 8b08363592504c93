import type { HandlerTable } from './handler.ts'

/** Handlers by command. A command without one says so (exit code 4). */
export const handlers: HandlerTable = {
  'data.inspect': () => import('./dataInspect.ts'),
  'runs.list': () => import('./runsList.ts'),
  'runs.show': () => import('./runsShow.ts'),
  'runs.compare': () => import('./runsCompare.ts'),
  'runs.resume': () => import('./runsResume.ts'),
  'runs.export': () => import('./runsExport.ts'),
  'runs.delete': () => import('./runsDelete.ts'),
}
