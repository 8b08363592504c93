import { parseArgs } from 'node:util'
import { integerKernels, probeCpu } from '../../engine/session/index.ts'
import { explainPlanted, FAULTS, grow, healthy, plant, type Grown, type Planted } from '../../tests/planted.ts'

export const title = 'Faults planted into quantized models: does `why` name them, does its fix help?'
export const help = '--seeds 101,102,103 (a minute each) --only few-samples,healthy'

/** Share of the loss that the recommended fix must give back on samples that took no part. */
const REQUIRED = 0.8
/** Further models that are quantized well: one a seed. */
const OTHERS = ['resnet-8', 'mlp:64', 'plain-cnn']

const percent = (x: number | undefined) => (x === undefined ? '-' : (100 * x).toFixed(1))

/** Each fault planted into a model that was trained with the same seed; models without a fault beside them. */
export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: { seeds: { type: 'string', default: '101,102,103' }, only: { type: 'string' }, json: { type: 'boolean' } },
  })
  const cpu = await probeCpu()
  const here = integerKernels(cpu).sums
  const wanted = args.only?.split(',')
  const rows: Record<string, unknown>[] = []
  const lines = [
    '| planted | seed | how | float, % | quantized, % | named | recommended | with it, % | of the loss gone, % |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  let missed = false
  const ask = async (fault: string, seed: number, g: Grown, planted: Planted) => {
    process.stderr.write(`seed ${seed}: ${fault}\n`)
    const x = await explainPlanted(g, planted, here)
    const named = x.verdict === 'healthy' ? 'none' : (x.causes[0]?.id ?? 'nothing')
    const right = fault === 'none' ? x.verdict === 'healthy' : x.verdict === 'fault' && named === fault
    const good = right && (fault === 'none' || (x.fix?.recovered ?? 0) >= REQUIRED)
    missed ||= !good
    const { float, quantized, fixed } = x.heldOut
    rows.push({ fault, seed, note: planted.note, verdict: x.verdict, named, right, fix: x.fix, heldOut: x.heldOut })
    lines.push(
      `| ${fault} | ${seed} | ${planted.note} | ${percent(float.value)} | ${percent(quantized.value)} | ${named}${right ? '' : ' (wrong)'} | ${x.fix?.text ?? '-'} | ${percent(fixed?.value)} | ${percent(x.fix?.recovered)} |`,
    )
  }
  for (const seed of args.seeds.split(',').map(Number)) {
    process.stderr.write(`seed ${seed}: training\n`)
    const g = await grow(seed)
    for (const fault of FAULTS.filter((f) => !wanted || wanted.includes(f))) await ask(fault, seed, g, await plant(fault, g, seed))
    if (wanted && !wanted.includes('healthy')) continue
    for (const target of ['exact', 'pairs'] as const) await ask('none', seed, g, await healthy(g, target))
    const other = OTHERS[seed % OTHERS.length]!
    const second = await grow(seed, other)
    const well = await healthy(second, 'exact')
    await ask('none', seed, second, { ...well, note: `${other}, ${well.note}` })
  }
  return { text: lines.join('\n'), json: rows, missed }
}
