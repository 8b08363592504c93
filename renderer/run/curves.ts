/** Curves that grow while a run goes on. Plain arrays outside of the page's state: only their drawing is reactive, a few times a second. */

import { Pyramid } from '../charts/pyramid.ts'

export interface Curve {
  split: string
  name: string
  steps: number[]
  /** NaN where the loss was no number. */
  values: number[]
  /** Which points a chart draws, kept up to date as the curve grows. */
  shown: Pyramid
}

function pyramidOf(values: readonly number[]): Pyramid {
  const pyramid = new Pyramid()
  while (pyramid.length < values.length) pyramid.push(values)
  return pyramid
}

export class Curves {
  readonly all = new Map<string, Curve>()

  get(split: string, name: string): Curve {
    const key = `${split} ${name}`
    let curve = this.all.get(key)
    if (!curve) this.all.set(key, (curve = { split, name, steps: [], values: [], shown: new Pyramid() }))
    return curve
  }

  /** Add a point. A step that is not later than the last one goes back to it: a resumed run repeats what followed its checkpoint. */
  add(split: string, name: string, step: number, value: number): void {
    const curve = this.get(split, name)
    const { steps, values } = curve
    if (step <= (steps.at(-1) ?? -1)) {
      let keep = steps.length
      while (keep > 0 && steps[keep - 1]! >= step) keep--
      steps.length = keep
      values.length = keep
      curve.shown = pyramidOf(values)
    }
    steps.push(step)
    values.push(value)
    curve.shown.push(values)
  }

  /** Put points before those that are there; later ones than the first of those are left out: what is here is newer. */
  prepend(split: string, name: string, steps: readonly number[], values: readonly (number | null)[]): void {
    const curve = this.get(split, name)
    const first = curve.steps[0] ?? Infinity
    const before = steps.findLastIndex((step) => step < first) + 1
    curve.steps = [...steps.slice(0, before), ...curve.steps]
    curve.values = [...values.slice(0, before).map((v) => v ?? NaN), ...curve.values]
    curve.shown = pyramidOf(curve.values)
  }

  of(split: string): Curve[] {
    return [...this.all.values()].filter((curve) => curve.split === split)
  }

  clear(): void {
    this.all.clear()
  }
}
