/** A row of the study: its name and what `quantize` is asked for. */
export interface StudyScheme {
  name: string
  input: Record<string, unknown>
}

/** Fewer than the default: the study is to end within an hour. */
const STEPS = 300
const LEARNED = new Set(['adaround', 'brecq'])

const hostile = (name: string, input: Record<string, unknown>): StudyScheme => ({ name, input: { scheme: 'int8', ...input } })
const fourBits = (rounding: string, block: number): StudyScheme => ({
  name: `int4 weights, ${rounding}${block ? '' : ', a scale for a row'}`,
  input: { scheme: 'int4-weights', rounding, block, ...(LEARNED.has(rounding) ? { roundingSteps: STEPS } : {}) },
})
const ROUNDINGS = ['rtn', 'hqq', 'awq', 'gptq', 'adaround', 'brecq']

export const SCHEMES: readonly StudyScheme[] = [
  { name: 'int8', input: { scheme: 'int8' } },
  { name: 'int8 per tensor', input: { scheme: 'int8', granularity: 'per-tensor' } },
  { name: 'int8 per tensor, equalized', input: { scheme: 'int8', granularity: 'per-tensor', equalize: true } },
  { name: 'int8 moving average', input: { scheme: 'int8', calibration: 'moving-average' } },
  { name: 'int8 percentile', input: { scheme: 'int8', calibration: 'percentile' } },
  { name: 'int8 entropy', input: { scheme: 'int8', calibration: 'entropy' } },
  { name: 'int8 mse', input: { scheme: 'int8', calibration: 'mse' } },
  { name: 'int8 bias-corrected', input: { scheme: 'int8', biasCorrection: true } },
  { name: 'int8 symmetric', input: { scheme: 'int8', symmetric: true } },
  { name: 'int8 QOperator', input: { scheme: 'int8', format: 'qoperator' } },
  { name: 'int8 adaround', input: { scheme: 'int8', rounding: 'adaround', roundingSteps: STEPS } },
  { name: 'int8 smooth 0.5', input: { scheme: 'int8', smooth: 0.5 } },
  { name: 'int8 signed', input: { scheme: 'int8-signed' } },
  { name: 'uint8', input: { scheme: 'uint8' } },
  { name: 'int16 activations', input: { scheme: 'int16' } },
  { name: 'int8 dynamic', input: { scheme: 'int8-dynamic' } },
  { name: 'int8 weights', input: { scheme: 'int8-weights' } },
  ...ROUNDINGS.map((r) => fourBits(r, 32)),
  { name: 'fp16', input: { scheme: 'fp16' } },
  { name: 'mixed', input: { scheme: 'mixed', maxDrop: 0.005 } },
]

/** Schemes of the constructed models. */
export const HOSTILE_SCHEMES: Readonly<Record<string, readonly StudyScheme[]>> = {
  'mobilenet-v2 hostile': [
    hostile('int8 per tensor', { granularity: 'per-tensor' }),
    hostile('int8 per tensor, equalized', { granularity: 'per-tensor', equalize: true }),
    hostile('int8', {}),
    hostile('int8, equalized', { equalize: true }),
  ],
  'resnet-20 hostile': ROUNDINGS.map((r) => fourBits(r, 0)),
}
