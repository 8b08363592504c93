import { data } from '../data/data.svelte.ts'
import { models } from '../models/models.svelte.ts'
import { plan } from '../plan/plan.svelte.ts'
import { app } from './app.svelte.ts'

/** Open what the person dropped, picked or double-clicked, each by its name: models, recipes, and everything else as data. */
export async function openPaths(paths: readonly string[], kind?: 'model' | 'data'): Promise<void> {
  for (const path of paths) {
    if (kind === 'model' || (!kind && /\.(onnx|ort)$/i.test(path))) {
      app.go('models')
      await models.add(path)
    } else if (!kind && /\.(ya?ml|json)$/i.test(path)) {
      app.go('plan')
      await plan.load(path)
    } else if (/\.(data|bin|weight|weights)$/i.test(path) && paths.some((other) => /\.onnx$/i.test(other))) {
      // External data of a model that was dropped along with it.
      continue
    } else {
      app.go('data')
      await data.add(path)
    }
  }
}
