import { BugError } from '../errors.ts'
import type { Tensor } from '../ops/index.ts'
import { clipByGlobalNorm } from './clip.ts'
import { decaysByDefault, type Optimizer, type UpdateResult } from './optimizer.ts'

/** A parameter with its gradient and state. */
export interface Trainable {
  readonly p: Tensor
  readonly g: Tensor
  readonly slots: Readonly<Record<string, Tensor>>
  /** Default: rank above 1. */
  readonly decay?: boolean | undefined
  /** Multiplier of the learning rate for this parameter's group (default 1). */
  readonly rate?: number | undefined
}

export interface StepInputs {
  /** Learning rate: a scalar. */
  readonly lr: Tensor
  readonly scalars?: Readonly<Record<string, Tensor>>
  /** Bound of the global gradient norm; none where absent. */
  readonly clip?: number | undefined
}

/**
 * One update of all parameters. Returns the new values in order and the gradient norm (only where `clip` is given).
 * `o` are parsed options.
 */
export function optimizerStep(
  optimizer: Optimizer,
  o: unknown,
  params: readonly Trainable[],
  { lr, scalars = {}, clip }: StepInputs,
): { updates: UpdateResult[]; norm: Tensor | undefined } {
  const raw = params.map(({ g }) => g)
  const { grads, norm } = clip === undefined ? { grads: raw, norm: undefined } : clipByGlobalNorm(raw, clip)
  const updates = params.map(({ p, slots, decay, rate = 1 }, i) => {
    for (const slot of optimizer.slots)
      if (!slots[slot]) throw new BugError(`optimizer ${optimizer.id}: parameter '${p.name}' has no state '${slot}'`)
    return optimizer.update({
      p,
      g: grads[i]!,
      slots,
      lr: rate === 1 ? lr : lr.mul(rate),
      scalars,
      o,
      decay: decay ?? decaysByDefault(p.shape),
    })
  })
  return { updates, norm }
}
