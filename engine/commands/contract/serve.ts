import { z } from 'zod'
import { command } from './command.ts'
import { pathField } from './options.ts'

/** Names of the loopback interface: nothing else is ever listened on. */
export const loopbackHosts = ['127.0.0.1', '::1', 'localhost'] as const

export const serve = command({
  help: 'Open the window in a browser of this machine, or of another through an SSH tunnel',
  runsIn: 'main',
  input: z.strictObject({
    port: z.number().int().min(0).max(65_535).default(0).describe('Port to listen on; a free one when 0'),
    host: z.enum(loopbackHosts).default('127.0.0.1').describe('Loopback address to listen on'),
    root: z
      .array(z.string().min(1))
      .describe('Folders that the window shows to choose files from; the working folder when absent')
      .default([]),
    out: z.array(z.string().min(1)).describe('Folders that may receive results; shown as well').default([]),
    store: pathField("Run store (SQLite file); in the user's data folder when absent").optional(),
  }),
  /** Printed when the server listens; the verb itself goes on until it is stopped. */
  output: z.looseObject({ url: z.string(), port: z.number().int() }),
})
