import { duration, number, plain } from './table.ts'

/** Where progress goes: standard error, or a test. */
export interface Screen {
  write(text: string): unknown
  isTTY?: boolean | undefined
  columns?: number | undefined
}

interface Step {
  step: number
  steps: number
  losses: Record<string, number>
  rate: number
  etaSeconds: number
  lr: number
}

const LINE_MS = 1000
const BAR_MS = 100
const BAR_WIDTH = 24

/** Shows the events of a command: a bar on a terminal, one line a second elsewhere. */
export function makeProgress(screen: Screen, quiet: boolean, now: () => number = Date.now) {
  let last = -Infinity
  let drawn = false
  const clear = (): void => {
    if (drawn) screen.write('\r\u001b[K')
    drawn = false
  }
  const line = (text: string): void => {
    clear()
    screen.write(`${plain(text)}\n`)
  }
  const moving = (share: number | undefined, text: string, final: boolean): void => {
    const due = now() - last >= (screen.isTTY ? BAR_MS : LINE_MS)
    if (!due && !final) return
    last = now()
    if (!screen.isTTY) return line(text)
    const filled = Math.round(Math.min(1, share ?? 0) * BAR_WIDTH)
    const bar = share === undefined ? '' : `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] `
    screen.write(`\r${(bar + plain(text)).slice(0, (screen.columns ?? 80) - 1)}\u001b[K`)
    drawn = true
  }

  const show: Record<string, (payload: never) => void> = {
    stage: ({ name, index, of }: { name: string; index?: number; of?: number }) =>
      line(index === undefined ? name : `${index}${of ? `/${of}` : ''} ${name}`),
    started: ({ run, resumedFromStep }: { run: string; resumedFromStep?: number }) =>
      line(resumedFromStep === undefined ? `run ${run}` : `run ${run}, from step ${resumedFromStep}`),
    step: ({ step, steps, losses, rate, etaSeconds, lr }: Step) => {
      const terms = Object.entries(losses)
        .map(([name, value]) => `${name} ${number(value)}`)
        .join('  ')
      moving(
        step / steps,
        `step ${step}/${steps}  ${terms}  ${number(rate)}/s  ${duration(etaSeconds)} left  lr ${number(lr)}`,
        step === steps,
      )
    },
    progress: ({ done, total, unit }: { done: number; total?: number; unit?: string }) =>
      moving(total ? done / total : undefined, `${done}${total ? `/${total}` : ''}${unit ? ` ${unit}` : ''}`, done === total),
    evaluated: ({ step, split, metrics }: { step: number; split: string; metrics: Record<string, number> }) =>
      line(
        `step ${step}  ${split}: ${Object.entries(metrics)
          .map(([name, value]) => `${name} ${number(value)}`)
          .join('  ')}`,
      ),
    message: ({ level, text }: { level: string; text: string }) => line(level === 'info' ? text : `${level}: ${text}`),
  }

  return {
    /** An event of the command. Checkpoints are too frequent to tell. */
    event(name: string, payload: unknown): void {
      const loud = (payload as { level?: string } | undefined)?.level === 'error'
      if (!quiet || loud) show[name]?.(payload as never)
    },
    /** A line of the command line's own. */
    say: (text: string): void => void (quiet || line(text)),
    /** Take the bar away before something else is printed. */
    clear,
  }
}
