import type { Rectangle } from 'electron'
import { z } from 'zod'
import { readJson, writeJson } from '../engine/commands/door/index.ts'

const Bounds = z.object({ x: z.number().int(), y: z.number().int(), width: z.number().int(), height: z.number().int() })
const State = z.object({ bounds: Bounds.nullable(), maximized: z.boolean() })
export type WindowState = z.output<typeof State>

const SIZE = { width: 1280, height: 800 }
const LEAST = { width: 800, height: 560 }

/** A window's place of the last time, if it still can be seen: part of its title must lie on one of the screens. */
export function placeOf({ bounds }: WindowState, screens: readonly Rectangle[]): Partial<Rectangle> & typeof SIZE {
  if (bounds === null) return SIZE
  const size = { width: Math.max(bounds.width, LEAST.width), height: Math.max(bounds.height, LEAST.height) }
  const seen = screens.some(
    ({ x, y, width, height }) =>
      bounds.x + size.width > x + 100 && bounds.x < x + width - 100 && bounds.y >= y && bounds.y < y + height - 50,
  )
  return seen ? { x: bounds.x, y: bounds.y, ...size } : size
}

export const readWindowState = (file: string): WindowState => readJson(file, State, { bounds: null, maximized: false })
export const writeWindowState = (file: string, state: WindowState): void => writeJson(file, state)
export const LEAST_SIZE = { minWidth: LEAST.width, minHeight: LEAST.height }
