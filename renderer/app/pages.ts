import type { Component } from 'svelte'
import BenchmarkView from '../benchmark/BenchmarkView.svelte'
import DataView from '../data/DataView.svelte'
import ExportView from '../export/ExportView.svelte'
import ModelsView from '../models/ModelsView.svelte'
import PlanView from '../plan/PlanView.svelte'
import PrivacyView from '../privacy/PrivacyView.svelte'
import QuantizeView from '../quantize/QuantizeView.svelte'
import RunView from '../run/RunView.svelte'
import RunsView from '../runs/RunsView.svelte'
import SettingsView from '../settings/SettingsView.svelte'
import type { ViewId } from './views.ts'

/** The component of each view. */
export const pages: Record<ViewId, Component> = {
  models: ModelsView,
  data: DataView,
  plan: PlanView,
  run: RunView,
  runs: RunsView,
  quantize: QuantizeView,
  benchmark: BenchmarkView,
  export: ExportView,
  settings: SettingsView,
  privacy: PrivacyView,
}
