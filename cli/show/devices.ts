import type { CommandOutput } from '../../engine/commands/index.ts'
import { facts } from '../table.ts'

type Provider = CommandOutput<'devices'>['providers'][number]

/** What describes itself is shown in its words. */
function text(value: unknown): string {
  if (Array.isArray(value)) return value.map(text).join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return 'text' in value ? String(value.text) : JSON.stringify(value)
}

/** `webgpu: usable, the state of a training stays on the device`, or why it cannot be used. */
function provider(p: Provider): string {
  if (typeof p === 'string') return p
  const { name, usable, why, stateOnDevice } = p as { name: string; usable?: boolean; why?: string; stateOnDevice?: boolean }
  if (usable === false) return `${name}: not usable, ${why ?? 'unknown reason'}`
  return `${name}: usable${stateOnDevice ? ', the state of a training stays on the device' : ''}`
}

/** Best first. */
const timesOf = (ms: Readonly<Record<string, number>>): string =>
  Object.entries(ms)
    .sort((p, q) => p[1] - q[1])
    .map(([form, time]) => `${form} ${time.toFixed(2)} ms`)
    .join(', ')

export default function devices({ cpu, providers, tuned, ...rest }: CommandOutput<'devices'>): string {
  return facts([
    ...Object.entries(cpu).map(([key, value]): [string, string] => [`cpu ${key}`, text(value)]),
    ...providers.map((p): [string, string] => ['provider', provider(p)]),
    ...tuned.flatMap(({ cpu: model, threads, onnxruntime, forms }): [string, string][] => [
      ['tuned', `${model}, ${threads} threads, ONNX Runtime ${onnxruntime}: ${forms.length} operators`],
      ...forms.map(({ operator, form, ms }): [string, string] => ['', `${operator}: ${form} (${timesOf(ms)})`]),
    ]),
    ...Object.entries(rest).map(([key, value]): [string, string] => [key === 'nativeAddon' ? 'native addon' : key, text(value)]),
  ])
}
