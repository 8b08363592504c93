import { basename } from 'node:path'
import { UnsupportedError } from '../errors.ts'
import { assertValid, type Model } from '../ir/index.ts'
import { inlineFunctions, readModel, upgradeOpset } from '../onnx/index.ts'
import { WORKING_OPSET } from '../ops/index.ts'
import { rebatch } from './rebatch.ts'
import { fedInputs, shapeOf } from './samples.ts'

export interface Prepared {
  /** At the working opset, functions inlined, of any batch size; as near to that as the model allows. */
  model: Model
  /** `free`, or the fixed batch size that the model has to be run with. */
  batch: 'free' | number
  /** What could not be done, one sentence each. */
  warnings: string[]
}

/**
 * The standard way to load a model for teaching or training: read, verify, inline functions, upgrade to the working opset,
 * re-batch. A model that cannot be upgraded or re-batched can still teach: it comes back as it is, with a warning.
 * Errors: ModelError for a file that is missing, damaged or breaks a rule of the format.
 */
export async function prepareModel(path: string): Promise<Prepared> {
  const name = basename(path)
  const model = await readModel(path, { name })
  assertValid(model, name)
  return prepare(model)
}

/** `prepareModel` for a model in memory. */
export async function prepare(model: Model): Promise<Prepared> {
  const warnings: string[] = []
  const { model: upgraded, notUpgraded } = upgradeOpset(inlineFunctions(model), WORKING_OPSET)
  const [first] = notUpgraded
  if (first) warnings.push(`the model stays at its opset: ${first.op} of opset ${first.from}: ${first.reason}`)
  try {
    return { model: await rebatch(upgraded), batch: 'free', warnings }
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error
    warnings.push(error.message)
    const input = fedInputs(upgraded.graph)[0]
    const lead = input && shapeOf(input)?.[0]
    return { model: upgraded, batch: typeof lead === 'number' ? lead : 1, warnings }
  }
}
