import type { IconName } from '../parts/icons.ts'

/** The views, in the order of the work. The order is that of the side bar and of the shortcuts. */
export const views = [
  { id: 'models', title: 'Models', icon: 'model', group: 'work' },
  { id: 'data', title: 'Data', icon: 'data', group: 'work' },
  { id: 'plan', title: 'Plan', icon: 'plan', group: 'work' },
  { id: 'run', title: 'Run', icon: 'run', group: 'work' },
  { id: 'runs', title: 'Runs', icon: 'runs', group: 'work' },
  { id: 'quantize', title: 'Quantize', icon: 'quantize', group: 'tools' },
  { id: 'benchmark', title: 'Benchmark', icon: 'benchmark', group: 'tools' },
  { id: 'export', title: 'Export', icon: 'export', group: 'tools' },
  { id: 'settings', title: 'Settings', icon: 'settings', group: 'app' },
  { id: 'privacy', title: 'Privacy', icon: 'privacy', group: 'app' },
] as const satisfies readonly { id: string; title: string; icon: IconName; group: string }[]

export type ViewId = (typeof views)[number]['id']
export const isView = (id: unknown): id is ViewId => views.some((view) => view.id === id)
