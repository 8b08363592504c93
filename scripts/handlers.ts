/** Writes the table of command handlers: which commands have one, each imported at its first use. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import prettier from 'prettier'
import { commandNames } from '../engine/commands/contract/index.ts'
import { handlerFile } from '../engine/commands/handlers/handler.ts'

export const HANDLERS = 'engine/commands/handlers/list.gen.ts'

/** Text of the table; a command without a handler's file is left out, and says so when it is called. */
export async function handlersText(root: string): Promise<string> {
  const named = commandNames.filter((name) => existsSync(join(root, HANDLERS, '..', handlerFile(name))))
  const text = `/** Handlers by command. Generated from the files of this folder by \`npm run gen\`; do not edit. */
import type { HandlerTable } from './handler.ts'

export const handlers: HandlerTable = {
${named.map((name) => `'${name}': () => import('./${handlerFile(name)}'),`).join('\n')}
}
`
  const options = await prettier.resolveConfig(join(root, HANDLERS))
  return prettier.format(text, { ...options, parser: 'typescript' })
}
