import type { CommandName, CommandOutput } from '../../engine/commands/index.ts'
import benchmark from './benchmark.ts'
import dataInspect from './dataInspect.ts'
import dataPreview from './dataPreview.ts'
import devices from './devices.ts'
import * as disk from './disk.ts'
import evaluate from './evaluate.ts'
import evaluateSamples from './evaluateSamples.ts'
import exportModel from './exportModel.ts'
import gradcheck from './gradcheck.ts'
import inspect from './inspect.ts'
import * as library from './library.ts'
import * as methods from './methods.ts'
import * as model from './model.ts'
import pipeline from './pipeline.ts'
import * as plan from './plan.ts'
import quantize from './quantize.ts'
import * as runs from './runs.ts'
import training from './training.ts'
import why from './why.ts'

/** What a person sees of each command's result. */
const renderers: { readonly [K in CommandName]: (result: CommandOutput<K>) => string } = {
  inspect,
  'model.graph': model.graph,
  'model.weights': model.weights,
  gradcheck,
  'data.inspect': dataInspect,
  'data.preview': dataPreview,
  catalogue: plan.catalogue,
  'recipe.read': plan.recipe,
  'plan.cost': plan.cost,
  'plan.forecast': plan.forecast,
  train: training,
  distill: training,
  quantize,
  why,
  evaluate,
  'evaluate.samples': evaluateSamples,
  benchmark,
  export: exportModel,
  compress: pipeline,
  demo: pipeline,
  'methods.list': methods.list,
  'methods.show': methods.show,
  'methods.check': methods.check,
  'runs.list': runs.list,
  'runs.show': runs.show,
  'runs.compare': runs.compare,
  'runs.resume': resumed,
  'runs.export': runs.exported,
  'runs.delete': runs.deleted,
  'runs.curves': runs.curves,
  'runs.log': runs.log,
  'runs.label': runs.labelled,
  'runs.rate': runs.rated,
  'library.list': library.list,
  'library.add': library.added,
  'library.remove': library.removed,
  'disk.usage': disk.usage,
  'disk.clean': disk.cleaned,
  privacy: disk.privacy,
  devices,
  serve: ({ url }) => url,
}

/** A resumed run answers as its own verb does: a pipeline has stages, a training run has steps. */
function resumed(result: CommandOutput<'runs.resume'>): string {
  if ('stages' in result) return pipeline(result as unknown as CommandOutput<'compress'>)
  if ('layers' in result) return quantize(result as unknown as CommandOutput<'quantize'>)
  return training(result as unknown as CommandOutput<'train'>)
}

export const show = (name: CommandName, result: unknown): string => (renderers[name] as (result: unknown) => string)(result)
