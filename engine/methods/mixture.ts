import { random } from '../random.ts'
import type { LabDataSpec } from './lab.ts'

/**
 * Rows for cheap checks: `classes` unit Gaussians in `width` dimensions about centres drawn N(0, spread^2). Classes overlap, so the
 * probabilities of a good teacher say more than the labels. The last `test` rows are the test part.
 */
export function mixture(
  seed: number,
  {
    rows,
    test,
    width = 16,
    classes = 20,
    spread = 1,
  }: { rows: number; test: number; width?: number; classes?: number; spread?: number },
): LabDataSpec {
  const centres = random(seed, 'centres').fillNormal(new Float32Array(classes * width), 0, spread)
  const values = random(seed, 'rows').fillNormal(new Float32Array(rows * width), 0, 1)
  const draw = random(seed, 'class')
  const labels = Int32Array.from({ length: rows }, (_, i) => draw.int(i, classes))
  for (let i = 0; i < rows; i++) for (let d = 0; d < width; d++) values[i * width + d]! += centres[labels[i]! * width + d]!
  return { values, width, labels, classes, test }
}
