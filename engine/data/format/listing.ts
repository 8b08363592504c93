/** What readers of many files share. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Files worked on at once. */
const AT_ONCE = 16

/** Classes sorted by code unit, and the number of each file's. */
export function numbered(classOf: readonly string[]): { classes: string[]; labels: Int32Array } {
  // By code unit, as torchvision's ImageFolder numbers them.
  const classes = [...new Set(classOf)].sort()
  const number = new Map(classes.map((name, i) => [name, i]))
  return { classes, labels: Int32Array.from(classOf, (name) => number.get(name)!) }
}

export async function mapAtOnce<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const out = new Array<R>(items.length)
  let next = 0
  const work = async () => {
    for (let i = next++; i < items.length; i = next++) out[i] = await map(items[i]!)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return out
}

/** SHA-256 (hex) of the files' lengths and bytes, in their order. */
export async function hashFiles(root: string, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files) {
    const bytes = await readFile(join(root, file))
    hash.update(`${bytes.length} `).update(bytes)
  }
  return hash.digest('hex')
}
