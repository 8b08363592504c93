/** Curves that grow while a run goes on. Plain arrays outside of the page's state: only their drawing is reactive, a few times a second. */

export interface Curve {
  split: string
  name: string
  steps: number[]
  /** NaN where the loss was no number. */
  values: number[]
}

export class Curves {
  readonly all = new Map<string, Curve>()

  get(split: string, name: string): Curve {
    const key = `${split} ${name}`
    let curve = this.all.get(key)
    if (!curve) this.all.set(key, (curve = { split, name, steps: [], values: [] }))
    return curve
  }

  /** Add a point. A step that is not later than the last one goes back to it: a resumed run repeats what followed its checkpoint. */
  add(split: string, name: string, step: number, value: number): void {
    const { steps, values } = this.get(split, name)
    if (step <= (steps.at(-1) ?? -1)) {
      let keep = steps.length
      while (keep > 0 && steps[keep - 1]! >= step) keep--
      steps.length = keep
      values.length = keep
    }
    steps.push(step)
    values.push(value)
  }

  of(split: string): Curve[] {
    return [...this.all.values()].filter((curve) => curve.split === split)
  }

  clear(): void {
    this.all.clear()
  }
}
