import type { CommandOutput } from '../../engine/commands/index.ts'
import { bytes, count, facts, table } from '../table.ts'

export const usage = (result: CommandOutput<'disk.usage'>): string =>
  facts([
    ['store', `${result.store} (${bytes(result.storeBytes)})`],
    ['runs', `${count(result.runs)} (${bytes(result.runBytes)})`],
    ['checkpoints of done runs', bytes(result.spareCheckpointBytes)],
    ['teacher outputs', bytes(result.cacheBytes)],
  ])

export const cleaned = ({ freedBytes }: CommandOutput<'disk.clean'>): string => `freed ${bytes(freedBytes)}`

export function privacy({ measured, how, sockets, outside }: CommandOutput<'privacy'>): string {
  if (!measured) return how
  const rows = sockets.map(({ local, remote, state, loopback }) => [local, remote, state, loopback ? 'this machine' : 'outside'])
  return [
    `${count(outside)} connections to other machines (${how})`,
    ...(rows.length > 0 ? [table(['local', 'remote', 'state', ''], rows)] : []),
  ].join('\n')
}
