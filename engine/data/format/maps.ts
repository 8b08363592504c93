import { DataError } from '../../errors.ts'
import type { MapBox } from '../types.ts'

/** Marks pixels of no class, as PASCAL VOC and most others do. */
export const VOID = 255

/** A map of class numbers: one byte a pixel. */
export interface ClassMap {
  values: Uint8Array
  height: number
  width: number
  name: string
}

/** What the numbers of a set's maps mean. */
export interface MapCoding {
  classes: number
  /** Maps of 0 and 255 alone are masks: 255 is class 1. */
  binary: boolean
}

/** Looks at which numbers occur. Throws DataError where none does. */
export function codingOf(seen: ReadonlySet<number>, where: string): MapCoding {
  const values = [...seen].filter((v) => v !== VOID)
  if (values.length === 0) throw new DataError('expected class numbers in the masks, found none', { where })
  const highest = Math.max(...values)
  if (highest === 0) return { classes: 2, binary: true }
  return { classes: highest + 1, binary: false }
}

/** Part of a map at another size, by the nearest pixel; -1 for no class. Written into `out` from `start`. */
export function fitMap(
  map: ClassMap,
  [height, width]: readonly [number, number],
  box: MapBox,
  coding: MapCoding,
  out: Int16Array,
  start: number,
): void {
  const part = box(map.height, map.width)
  for (let y = 0; y < height; y++) {
    const row = Math.min(map.height - 1, Math.floor(part.top + ((y + 0.5) * part.height) / height))
    for (let x = 0; x < width; x++) {
      const column = Math.min(map.width - 1, Math.floor(part.left + ((x + 0.5) * part.width) / width))
      const value = map.values[row * map.width + column]!
      out[start + y * width + x] = value !== VOID ? value : coding.binary ? 1 : -1
    }
  }
}
