import type { CommandOutput } from '../../engine/commands/index.ts'
import { facts, plain, table } from '../table.ts'

export const list = ({ methods }: CommandOutput<'methods.list'>): string =>
  table(
    ['key', 'title', 'family', 'paper', 'status'],
    methods.map(({ key, title, family, paper, status }) => [key, title, family, paper, status]),
  )

export function show({ key, title, paper, equation, limit, family, status, options }: CommandOutput<'methods.show'>): string {
  const properties = (options['properties'] ?? {}) as Record<string, { description?: string; default?: unknown; type?: string }>
  const rows = Object.entries(properties).map(([name, { type, default: value, description }]) => [
    name,
    type ?? '',
    value === undefined ? '' : JSON.stringify(value),
    description ?? '',
  ])
  return [
    facts([
      ['method', `${key}: ${title}`],
      ['paper', paper],
      ['formula', equation],
      ['limit', limit],
      ['family', family],
      ['status', status],
    ]),
    ...(rows.length > 0 ? [table(['option', 'type', 'default', ''], rows)] : []),
  ].join('\n\n')
}

export function check({ key, claim, passed, measured, required }: CommandOutput<'methods.check'>): string {
  const rows = [...new Set([...Object.keys(measured), ...Object.keys(required)])].map((name) => [
    name,
    text(measured[name]),
    text(required[name]),
  ])
  return [plain(`${key}: ${claim}`), table(['', 'measured', 'required'], rows), passed ? 'passed' : 'failed'].join('\n\n')
}

const text = (value: unknown): string => (value === undefined ? '-' : typeof value === 'string' ? value : JSON.stringify(value))
