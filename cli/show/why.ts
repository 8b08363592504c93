import type { CommandOutput } from '../../engine/commands/index.ts'
import { facts, measured, number, plain, table } from '../table.ts'

type Why = CommandOutput<'why'>
const decibels = (x: number | null) => (x === null ? '-' : x.toFixed(1))
const share = (x: number) => `${(100 * x).toFixed(1)} %`

/** Layers that are shown: all of a small model, the noisiest of a large one. */
const LAYERS = 24

export default function why(r: Why): string {
  return [
    plain(r.summary),
    table(
      [`${r.measure} of ${r.parts.samples} samples`, 'value'],
      [
        ['float', measured(r.parts.float)],
        ['quantized', measured(r.parts.quantized)],
        ['weights alone rounded', measured(r.parts.weights)],
        ['activations alone rounded', measured(r.parts.activations)],
        ...(r.parts.again ? [['calibrated anew, same options', measured(r.parts.again)]] : []),
        ['on x86 with VNNI', measured(r.host.vnni)],
        ['on x86 without VNNI (simulated)', measured(r.host.noVnni)],
      ],
    ),
    plain(
      `judged for x86 ${r.host.target === 'vnni' ? 'with VNNI, and other processors that add up in 32 bits' : 'without VNNI'}; here: ${r.host.text}`,
    ),
    layerTable(r),
    activationTable(r),
    flips(r),
    ...r.causes.map((c, i) => causeText(c, i)),
    ...fixText(r),
  ]
    .filter(Boolean)
    .join('\n\n')
}

function layerTable({ layers }: Why): string {
  const shown = layers.length <= LAYERS ? layers : [...layers].sort((p, q) => (p.sqnr ?? 200) - (q.sqnr ?? 200)).slice(0, LAYERS)
  const rows = shown.map((l) => [
    l.name,
    ...[l.sqnr, l.weightsSqnr, l.inputsSqnr, l.cumulativeSqnr].map(decibels),
    l.worstChannels.map((c) => `${c.channel}: ${c.sqnr.toFixed(0)}`).join(', '),
    share(l.atRisk),
  ])
  const head = ['layer, SQNR in dB', 'alone', 'weights', 'input', 'with all before', 'worst channels', 'pairs that can overflow']
  return `${table(head, rows)}${shown.length < layers.length ? `\n(the ${shown.length} noisiest of ${layers.length} layers)` : ''}`
}

function activationTable({ activations }: Why): string {
  const rows = activations
    .slice(0, LAYERS)
    .map((v) => [
      v.value,
      v.covered.map(number).join(' … '),
      v.seen.map(number).join(' … '),
      share(v.clipped),
      decibels(v.clippingSqnr),
      decibels(v.roundingSqnr),
      number(v.spread),
    ])
  const head = ['activation', 'covered', 'seen', 'cut', 'clipping dB', 'rounding dB', 'largest / 99.9 %']
  return `${table(head, rows)}${rows.length < activations.length ? `\n(the first ${rows.length} of ${activations.length} activations)` : ''}`
}

function flips({ flips: f }: Why): string {
  if (f.count === 0) return `no sample of ${f.samples} changed its class`
  const moved = f.lost === undefined ? '' : ` (${f.lost} from right to wrong, ${f.won ?? 0} from wrong to right)`
  const rows = f.shown.slice(0, 8).map((s) => [String(s.index), s.label ?? '-', s.float, s.quantized, s.margin.toFixed(2)])
  return `${f.count} of ${f.samples} samples changed their class${moved}\n${table(['sample', 'label', 'float', 'quantized', 'margin'], rows)}`
}

function causeText(c: Why['causes'][number], place: number): string {
  const tried = c.fixes.map((f) => [f.text, share(f.value), share(f.recovered)])
  return [
    plain(`${place === 0 ? 'suspected cause' : 'also possible'}: ${c.title} (${number(c.score)})`),
    plain(`  ${c.text}`),
    ...(tried.length ? [table(['  fix that was tried', 'then', 'of the loss gone'], tried.map(([t, ...rest]) => [`  ${t}`, ...rest]))] : []), // prettier-ignore
  ].join('\n')
}

function fixText({ fix, heldOut }: Why): string[] {
  const before = [
    ['float', measured(heldOut.float)],
    ['quantized', measured(heldOut.quantized)],
    ...(heldOut.fixed ? [['with the fix', measured(heldOut.fixed)]] : []),
  ]
  const judged = table([`on ${heldOut.samples} test samples`, ''], before)
  return fix ? [judged, facts([['fix', fix.text], ['apply it with', fix.command]])] : [judged] // prettier-ignore
}
