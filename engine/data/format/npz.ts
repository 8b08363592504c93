/** NPZ archives: named arrays in a zip file. */
import { DataError } from '../../errors.ts'
import { readWhole } from './files.ts'
import { parseNpy, type NpyArray } from './npy.ts'
import { zipMembers } from './zip.ts'

/** Arrays by lower-case name, read when asked for. */
export type Arrays = ReadonlyMap<string, () => NpyArray>

/** Throws DataError when the archive is broken; an array that is broken says so when it is read. */
export async function readNpz(path: string): Promise<Arrays> {
  const bytes = await readWhole(path)
  return new Map(
    zipMembers(bytes, path).map((member) => [
      member.name.replace(/\.npy$/, '').toLowerCase(),
      () => parseNpy(member.read(), `${path}: ${member.name}`),
    ]),
  )
}

/** An array that must be there. Throws DataError naming the ones that are. */
export function arrayOf(arrays: Arrays, name: string, where: string): NpyArray {
  const read = arrays.get(name)
  if (read) return read()
  throw new DataError(`expected an array '${name}', found ${[...arrays.keys()].join(', ') || 'none'}`, { where })
}
