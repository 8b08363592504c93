import type { CommandOutput } from '../../engine/commands/index.ts'
import { bytes, number, plain, table } from '../table.ts'

export default function benchmark({ device, models, ratio, slow }: CommandOutput<'benchmark'>): string {
  const rows = models.map(({ path, latencyMs: ms, throughput, peakBytes }) => [
    path,
    ...[ms.mean, ms.p50, ms.p90, ms.p95, ms.p99, throughput].map(number),
    typeof peakBytes !== 'number' ? '-' : bytes(peakBytes),
  ])
  return [
    table(['model', 'mean ms', 'p50', 'p90', 'p95', 'p99', 'samples/s', 'peak memory'], rows),
    ...models.flatMap(({ path, layers }) => (layers ? [layerTable(path, layers)] : [])),
    ...(ratio ? [`ratio ${number(ratio.median)} [${ratio.ci95.map(number).join(', ')}] (median of pairs, 95 % interval)`] : []),
    ...(slow
      ? [
          `${plain(slow.path)} is ${number(slow.speedup)} times as fast as the float model, because\n${slow.reasons.map((r) => `- ${plain(r.text)}`).join('\n')}`,
        ]
      : []),
    `on ${plain(typeof device === 'string' ? device : JSON.stringify(device))}`,
  ].join('\n\n')
}

const layerTable = (path: string, layers: Record<string, unknown>[]): string => {
  const keys = Object.keys(layers[0] ?? {})
  return `${plain(path)}\n${table(
    keys,
    layers.map((layer) => keys.map((key) => (typeof layer[key] === 'number' ? number(layer[key]) : String(layer[key] ?? '-')))),
  )}`
}
