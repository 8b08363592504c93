/** Licences of the packages that are shipped: in, the installed packages; out, a list for the page that shows them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Notice {
  name: string
  version: string
  license: string
  text: string
}

interface Manifest {
  name: string
  version: string
  license?: string
  dependencies?: Record<string, string>
}

/** Packages that the page or the shell bundles, beside those in `dependencies`. */
const BUNDLED = ['svelte', 'chart.js', '@dagrejs/dagre', 'electron']

const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest

/** The licence's text, or undefined where the package has none. */
function licenceText(folder: string): string | undefined {
  const name = readdirSync(folder).find((file) => /^(licen[cs]e|copying|notice)/i.test(file))
  return name === undefined ? undefined : readFileSync(join(folder, name), 'utf8').trim()
}

/** One notice for each shipped package and what those depend on, by name. */
export function collectNotices(root: string): Notice[] {
  const found = new Map<string, Notice>()
  const queue = [...Object.keys(manifest(root).dependencies ?? {}), ...BUNDLED]
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const folder = join(root, 'node_modules', name)
    if (found.has(name) || !existsSync(folder)) continue
    const { version, license = 'not stated', dependencies = {} } = manifest(folder)
    found.set(name, { name, version, license, text: licenceText(folder) ?? `Licence: ${license}. The package carries no text.` })
    // What Electron's installer needs is not shipped.
    if (name !== 'electron') queue.push(...Object.keys(dependencies))
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}
