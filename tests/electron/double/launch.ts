/** Starts an app's folder as Electron would: reads `main` of its package file and imports it. The words are those of Electron's command line. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import './control.ts'

const [folder = '.', ...rest] = process.argv.slice(2)
const root = resolve(folder)
const { main, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { main: string; version: string }
process.argv = [process.argv[0]!, root, ...rest]
process.env['DOUBLE_VERSION'] = version
await import(pathToFileURL(join(root, main)).href)
