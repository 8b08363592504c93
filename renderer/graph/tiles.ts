import type { Camera, Region } from './painter.ts'

/** Side of a tile, in pixels of the screen. */
const SIDE = 256
/** Time that a frame may spend on tiles that are missing, in milliseconds; what is left over waits for the next frame. */
const BUDGET_MS = 4
/** Tiles that are kept: about three windows of them. */
const KEPT = 160

interface Tile {
  picture: ImageBitmap
  used: number
}

/** Draws a region of the scene, whose units the context already has. */
type Draw = (context: OffscreenCanvasRenderingContext2D, region: Region, scale: number) => void

/**
 * The drawing at one scale, cut into square pictures. Moving the window copies pictures instead of drawing boxes, and a new scale is filled in over
 * some frames above the old picture, so that no frame costs more than its share however large the graph is.
 */
export function makeTiles(draw: Draw) {
  let tiles = new Map<string, Tile>()
  let scale = 0
  let frame = 0
  /** The last complete picture of the window, shown in the meantime, and where it was taken. */
  let behind: { picture: ImageBitmap; camera: Camera; ratio: number } | undefined
  const scratch = new OffscreenCanvas(SIDE, SIDE)
  const pen = scratch.getContext('2d', { alpha: false })!

  function clear(): void {
    for (const { picture } of tiles.values()) picture.close()
    tiles = new Map()
  }

  /** One tile; `zoom` is pixels of the screen a unit of the drawing. */
  function make(i: number, j: number, zoom: number, ratio: number): Tile {
    pen.setTransform(zoom, 0, 0, zoom, -i * SIDE, -j * SIDE)
    const [left, top, side] = [(i * SIDE) / zoom, (j * SIDE) / zoom, SIDE / zoom]
    draw(pen, { left, top, right: left + side, bottom: top + side }, zoom / ratio)
    return { picture: scratch.transferToImageBitmap(), used: frame }
  }

  function evict(): void {
    if (tiles.size <= KEPT) return
    const old = [...tiles].sort(([, a], [, b]) => a.used - b.used).slice(0, tiles.size - KEPT)
    for (const [key, { picture }] of old) {
      picture.close()
      tiles.delete(key)
    }
  }

  return {
    /** Forget every picture: the scene or its colours changed. */
    reset(): void {
      clear()
      behind?.picture.close()
      behind = undefined
    },

    /**
     * Fill a canvas with the window of a camera.
     * @returns `complete`: the window has everything; `more`: something is missing still, in it or around it, so paint again in the next frame
     */
    paint(
      context: CanvasRenderingContext2D,
      camera: Camera,
      ratio: number,
      background: string,
    ): { complete: boolean; more: boolean } {
      const { width, height } = context.canvas
      frame++
      const zoom = camera.scale * ratio
      if (zoom !== scale) {
        clear()
        scale = zoom
      }
      // Whole pixels, or every copy would have to be resampled.
      const left = Math.round(camera.x * zoom - width / 2)
      const top = Math.round(camera.y * zoom - height / 2)
      const [i0, j0] = [Math.floor(left / SIDE), Math.floor(top / SIDE)]
      const [i1, j1] = [Math.floor((left + width - 1) / SIDE), Math.floor((top + height - 1) / SIDE)]
      const end = performance.now() + BUDGET_MS
      const missing: [number, number][] = []
      const shown: [Tile, number, number][] = []
      const need = (i: number, j: number): Tile | undefined => {
        const key = `${i} ${j}`
        let tile = tiles.get(key)
        if (!tile && performance.now() < end) tiles.set(key, (tile = make(i, j, zoom, ratio)))
        if (tile) tile.used = frame
        else missing.push([i, j])
        return tile
      }
      for (let j = j0; j <= j1; j++)
        for (let i = i0; i <= i1; i++) {
          const tile = need(i, j)
          if (tile) shown.push([tile, i * SIDE - left, j * SIDE - top])
        }
      const complete = missing.length === 0

      context.setTransform(1, 0, 0, 1, 0, 0)
      if (!complete) {
        context.fillStyle = background
        context.fillRect(0, 0, width, height)
        if (behind) {
          const grown = zoom / (behind.camera.scale * behind.ratio)
          const x = width / 2 + (behind.camera.x - camera.x) * zoom - (behind.picture.width * grown) / 2
          const y = height / 2 + (behind.camera.y - camera.y) * zoom - (behind.picture.height * grown) / 2
          context.imageSmoothingEnabled = false
          context.drawImage(behind.picture, x, y, behind.picture.width * grown, behind.picture.height * grown)
        }
      }
      for (const [{ picture }, x, y] of shown) context.drawImage(picture, x, y)
      // What the next frames of a move will need.
      if (complete)
        for (let j = j0 - 1; j <= j1 + 1; j++)
          for (let i = i0 - 1; i <= i1 + 1; i++) if (i < i0 || i > i1 || j < j0 || j > j1) need(i, j)
      evict()
      return { complete, more: missing.length > 0 }
    },

    /** Keep what a canvas shows, for the time in which another scale is drawn. */
    keep(canvas: HTMLCanvasElement, camera: Camera, ratio: number): void {
      if (canvas.width === 0 || canvas.height === 0) return
      const copy = new OffscreenCanvas(canvas.width, canvas.height)
      copy.getContext('2d', { alpha: false })!.drawImage(canvas, 0, 0)
      behind?.picture.close()
      behind = { picture: copy.transferToImageBitmap(), camera, ratio }
    },
  }
}
