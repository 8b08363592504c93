import type { CommandOutput } from '../../engine/commands/index.ts'
import { plain, table } from '../table.ts'

export function list({ entries }: CommandOutput<'library.list'>): string {
  if (entries.length === 0) return 'nothing was added yet'
  return table(
    ['kind', 'added', 'path', ''],
    entries.map(({ kind, added, path, present }) => [kind, added.slice(0, 16).replace('T', ' '), path, present ? '' : 'missing']),
  )
}

export const added = ({ kind, path }: CommandOutput<'library.add'>): string => plain(`added the ${kind} ${path}`)
export const removed = (result: CommandOutput<'library.remove'>): string =>
  result.removed ? 'removed' : 'it was not in the library'
