/** The probing process of `guard.ts`: one model file, one answer. */
import { basename } from 'node:path'
import { StillroomError } from '../errors.ts'
import type { Model } from '../ir/index.ts'
import { readModel } from '../onnx/index.ts'
import { createSession } from '../session/index.ts'
import type { Answer } from './guard.ts'
import { probeTypes } from './probe.ts'
import { explainRefusal } from './refusal.ts'

async function answer(file: string): Promise<Answer> {
  const name = basename(file)
  try {
    const model = await readModel(file, { name })
    try {
      // By its path, as any other program would load it. Without optimization nothing is computed yet.
      const session = await createSession(file, { level: 'disabled', threads: 1, name })
      await session.release()
    } catch (error) {
      throw error instanceof StillroomError ? await explainRefusal(model, error, name) : error
    }
    return { ok: await known(model) }
  } catch (error) {
    if (error instanceof StillroomError)
      return { error: { code: error.code, message: error.message, where: error.where, hint: error.hint } }
    return { error: { code: 'bug', message: error instanceof Error ? error.message : String(error), where: name } }
  }
}

/** What the probe finds; a model that loads is not refused because no trial input fits it. */
async function known(model: Model): Promise<Extract<Answer, { ok: unknown }>['ok']> {
  try {
    const { types, inputs, unknown } = await probeTypes(model)
    return { types: [...types], inputs: [...inputs], unknown }
  } catch (error) {
    if (!(error instanceof StillroomError)) throw error
    return { types: [], inputs: [], unknown: model.graph.nodes.flatMap((node) => node.outputs) }
  }
}

process.send!(await answer(process.argv[2]!))
