import type { CommandOutput } from '../../engine/commands/index.ts'
import { facts } from '../table.ts'

const text = (value: unknown): string =>
  Array.isArray(value) ? value.map(text).join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value)

export default function devices({ cpu, providers, ...rest }: CommandOutput<'devices'>): string {
  return facts([
    ...Object.entries(cpu).map(([key, value]): [string, string] => [`cpu ${key}`, text(value)]),
    ...providers.map((provider): [string, string] => [
      'provider',
      typeof provider === 'string' ? provider : Object.values(provider).map(text).join('  '),
    ]),
    ...Object.entries(rest).map(([key, value]): [string, string] => [key, text(value)]),
  ])
}
