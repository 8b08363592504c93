import type { Component } from 'svelte'
import DataView from '../data/DataView.svelte'
import ModelsView from '../models/ModelsView.svelte'
import PlanView from '../plan/PlanView.svelte'
import RunView from '../run/RunView.svelte'
import type { ViewId } from './views.ts'

/** The component of each view. */
export const pages: Record<ViewId, Component> = {
  models: ModelsView,
  data: DataView,
  plan: PlanView,
  run: RunView,
} as never
