import { isImagePreprocess, type AnyPreprocess, type Preprocess } from '../data/index.ts'
import { PREPROCESS_KEY } from '../evaluate/index.ts'
import type { Model } from '../ir/index.ts'

export interface ModelFacts {
  name: string
  engineVersion: string
  /** SHA-256 of the file it was made from. */
  source: string
  preprocess: AnyPreprocess | undefined
  labels: readonly string[] | undefined
}

/** The model with the fields filled that other tools look at. The same facts give the same bytes. */
export function describeModel(model: Model, facts: ModelFacts, variant: string): Model {
  const metadata = new Map(model.metadata)
  metadata.set('stillroom.source.sha256', facts.source)
  metadata.set('stillroom.variant', variant)
  if (facts.labels) metadata.set('stillroom.labels', facts.labels.join('\n'))
  if (facts.preprocess) {
    metadata.set(PREPROCESS_KEY, JSON.stringify(facts.preprocess))
  }
  if (facts.preprocess && isImagePreprocess(facts.preprocess)) {
    metadata.set('Image.BitmapPixelFormat', { gray: 'Gray8', rgb: 'Rgb8', bgr: 'Bgr8' }[facts.preprocess.channels])
    metadata.set('Image.ColorSpaceGamma', 'SRGB')
    const range = pixelRange(facts.preprocess)
    if (range) metadata.set('Image.NominalPixelRange', range)
  }
  return {
    ...model,
    producerName: 'stillroom',
    producerVersion: facts.engineVersion,
    modelVersion: model.modelVersion || 1,
    doc: model.doc || `${facts.name}, exported by Stillroom ${facts.engineVersion} (${variant}).`,
    metadata,
  }
}

/** The standard's name for the range of input values; undefined where it has none. */
function pixelRange({ scale, mean, std }: Preprocess): string | undefined {
  const all = (values: readonly number[], v: number) => values.every((x) => Math.abs(x - v) < 1e-6)
  const unit = Math.abs(scale - 1 / 255) < 1e-9
  if (all(mean, 0) && all(std, 1)) return unit ? 'Normalized_0_1' : scale === 1 ? 'NominalRange_0_255' : undefined
  return unit && all(mean, 0.5) && all(std, 0.5) ? 'Normalized_1_1' : undefined
}
