/** Handlers by command. Generated from the files of this folder by `npm run gen`; do not edit. */
import type { HandlerTable } from './handler.ts'

export const handlers: HandlerTable = {
  inspect: () => import('./inspect.ts'),
  gradcheck: () => import('./gradcheck.ts'),
  'data.inspect': () => import('./dataInspect.ts'),
  train: () => import('./train.ts'),
  distill: () => import('./distill.ts'),
  quantize: () => import('./quantize.ts'),
  evaluate: () => import('./evaluate.ts'),
  benchmark: () => import('./benchmark.ts'),
  export: () => import('./export.ts'),
  compress: () => import('./compress.ts'),
  demo: () => import('./demo.ts'),
  'methods.list': () => import('./methodsList.ts'),
  'methods.show': () => import('./methodsShow.ts'),
  'methods.check': () => import('./methodsCheck.ts'),
  'runs.list': () => import('./runsList.ts'),
  'runs.show': () => import('./runsShow.ts'),
  'runs.compare': () => import('./runsCompare.ts'),
  'runs.resume': () => import('./runsResume.ts'),
  'runs.export': () => import('./runsExport.ts'),
  'runs.delete': () => import('./runsDelete.ts'),
  devices: () => import('./devices.ts'),
}
