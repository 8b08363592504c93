import type { Preview } from './data.svelte.ts'

type Picture = NonNullable<Preview['samples'][number]['picture']>

/** Draw bytes of grey or RGB onto a canvas of the picture's own size; the page scales it without smoothing. */
export function drawPicture(canvas: HTMLCanvasElement, { width, height, channels, pixels }: Picture): void {
  const bytes = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0))
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext('2d')!
  const image = context.createImageData(width, height)
  for (let i = 0, area = width * height; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[channels === 1 ? i : i * channels + c]!
    image.data[4 * i + 3] = 255
  }
  context.putImageData(image, 0, 0)
}

/** The same as something that Svelte attaches to a canvas. */
export const picture = (of: Picture) => (canvas: HTMLCanvasElement) => drawPicture(canvas, of)
