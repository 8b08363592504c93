import { percent } from './cause.ts'
import type { Explanation } from './explain.ts'
import type { Judgement } from './judge.ts'

const NAMES = { top1: 'accuracy', agreement: 'agreement with the float model', fidelity: 'fidelity to the float model' } as const

/** The answer in a few sentences: what is lost, where it comes from, what is suspected, what helps and how much. */
export function summaryOf(x: Explanation): string {
  const { evidence: e, heldOut, measure } = x
  const at = (j: Judgement) => percent(j.value)
  const what = NAMES[measure]
  const lost = `${what} falls from ${at(heldOut.float)} to ${at(heldOut.quantized)} on ${heldOut.samples} test samples`
  if (x.verdict === 'healthy')
    return `No fault found: ${what} is ${at(heldOut.quantized)} beside ${at(heldOut.float)} in float on ${heldOut.samples} test samples, and no loss beyond chance on the ${e.samples} samples that decide.`
  const loss = e.float.value - e.quantized.value
  const [byWeights, byActivations] = [e.float.value - e.weights.value, e.float.value - e.activations.value]
  const origin =
    byWeights < loss / 4 && byActivations < loss / 4
      ? 'neither rounding weights nor rounding activations does it'
      : byWeights > 2 * byActivations
        ? 'mostly by rounding weights'
        : byActivations > 2 * byWeights
          ? 'mostly by rounding activations'
          : 'by rounding weights and activations'
  const split = `${origin} (weights alone ${at(e.weights)}, activations alone ${at(e.activations)})`
  const [cause] = x.causes
  if (x.verdict === 'unexplained' || !cause || !x.fix || !heldOut.fixed)
    return `${capital(lost)}, ${split}. No fix that was tried gives half of it back${cause ? `; most speaks for: ${cause.title}` : ''}. Training the model as integers (quantize --qat) is left.`
  return `${capital(lost)}, ${split}. Suspected cause: ${cause.title}; ${cause.text}. Fix: ${x.fix.text}; it ends at ${at(heldOut.fixed)}, ${percent(x.fix.recovered)} of the loss is gone.`
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
