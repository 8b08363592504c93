import type { StudyModel } from './models.ts'
import type { Row } from './row.ts'

/** A bound of the study: what was asked, what was found. */
export interface Bound {
  text: string
  found: string
  passed: boolean
}

const points = (share: number) => `${(100 * share).toFixed(2)} points`
/** Counts over counts: differences below this are rounding. */
const SLACK = 1e-9

/** Every bound that the rows at hand let us judge. */
export function boundsOf(models: readonly StudyModel[], rows: readonly Row[]): Bound[] {
  const find = (model: string, scheme: string) => rows.find((r) => r.model === model && r.scheme === scheme)
  const lost = (r: Row) => r.float.value - r.quantized.value
  const bounds: Bound[] = []
  const judge = (text: string, found: string, passed: boolean) => bounds.push({ text, found, passed })
  for (const { name, bound } of models) {
    const row = find(name, 'int8')
    if (row && !Number.isNaN(bound))
      judge(`${name}: static int8 per channel loses at most ${points(bound)}`, points(lost(row)), lost(row) <= bound + SLACK)
  }
  const tensor = find('mobilenet-v2 hostile', 'int8 per tensor')
  const [equal, channel] = ['int8 per tensor, equalized', 'int8'].map((s) => find('mobilenet-v2 hostile', s))
  if (tensor) judge('hostile mobilenet: per tensor loses over 10 points', points(lost(tensor)), lost(tensor) > 0.1)
  if (equal && channel)
    judge(
      'hostile mobilenet: equalization or per channel brings it within 1 point',
      `${points(lost(equal))} equalized, ${points(lost(channel))} per channel`,
      Math.min(lost(equal), lost(channel)) <= 0.01 + SLACK,
    )
  for (const rounding of ['rtn', 'gptq', 'adaround']) {
    const row = find('resnet-20 hostile', `int4 weights, ${rounding}, a scale for a row`)
    if (!row) continue
    const nearest = rounding === 'rtn'
    judge(
      nearest ? 'hostile resnet-20: 4 bits to nearest lose over 4 points' : `hostile resnet-20: ${rounding} ends within 1.5 points`,
      points(lost(row)),
      nearest ? lost(row) > 0.04 : lost(row) <= 0.015 + SLACK,
    )
  }
  for (const { name } of models) {
    const [mixed, half, int8] = ['mixed', 'fp16', 'int8'].map((s) => find(name, s))
    if (!mixed || !half || !int8) continue
    judge(`${name}: mixed loses at most 0.50 points on held-out samples`, points(lost(mixed)), lost(mixed) <= 0.005 + SLACK)
    judge(`${name}: mixed is smaller than fp16`, `${mixed.bytes} against ${half.bytes} bytes`, mixed.bytes < half.bytes)
    const [a, b] = [mixed.quantized.value, int8.quantized.value]
    const same = mixed.agreement === int8.agreement && a === b && mixed.bytes <= int8.bytes * 1.02
    // Where int8 is sure of the bound the smallest model is int8 itself.
    judge(
      `${name}: mixed is more accurate than int8, or is int8`,
      `${(100 * a).toFixed(2)} against ${(100 * b).toFixed(2)} %${same ? ' (it is int8)' : ''}`,
      a > b || same,
    )
  }
  const resnet = find('resnet-20', 'int8')
  if (resnet?.ratio)
    judge('resnet-20: int8 is at least 1.8 times as fast', resnet.ratio.median.toFixed(2), resnet.ratio.median >= 1.8)
  const judged = rows.filter((r) => r.simulated !== undefined)
  if (judged.length) {
    const worst = judged.reduce((m, r) => (r.simulated! < m.simulated! ? r : m))
    judge('top-1 agrees with the simulation on 99.9 % of the samples, every file', `${(100 * worst.simulated!).toFixed(2)} % (${worst.model}, ${worst.scheme})`, worst.simulated! >= 0.999 - SLACK) // prettier-ignore
    const steps = Math.max(...judged.map((r) => r.steps ?? 0))
    judge('each quantized node differs from the simulation by at most one step', `${steps}`, steps <= 1)
  }
  return bounds
}
