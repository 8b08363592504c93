import { app } from '../app/app.svelte.ts'
import { when } from '../format/units.ts'

/** Models that runs made, for the choosers of other views; newest first. */
export const made = $state<{ models: { path: string; title: string; bytes: number | undefined }[] }>({ models: [] })

export async function refreshMade(): Promise<void> {
  try {
    const { runs } = await app.call('runs.list', { status: 'done', limit: 100 })
    made.models = runs.flatMap((run) => {
      const path = run['model']
      if (typeof path !== 'string') return []
      const title = `${run.name || `${run.student ?? run.kind}`}, ${run.kind} of ${when(run.created)}`
      return [{ path, title, bytes: run.numbers['bytes'] }]
    })
  } catch (error) {
    app.fail(error)
  }
}
