import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Answer {
  /** Of each step, ms. */
  ms: number[]
  /** Time on the processor, all threads together, of each step, ms. */
  cpu: number[]
  losses: number[]
  /** Resident bytes before the network was made, and the most so far. */
  base: number
  peak: number
}

/** One of the two that train in turn: a process that does as many steps as a line asks for. */
export interface Side {
  /** What it said when it was ready: versions, and how it does it. */
  readonly about: Readonly<Record<string, unknown>>
  steps(n: number): Promise<Answer>
  close(): Promise<void>
}

/** Starts a side and waits until it is ready. Errors: what the process wrote to stderr, when it ends early. */
export async function startSide(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Side> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  let errors = ''
  child.stderr.on('data', (text: Buffer) => (errors = (errors + text.toString()).slice(-4000)))
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}: ${errors}`))))
  })
  ended.catch(() => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async <T>(): Promise<T> => {
    const line = await lines.next()
    if (line.done) {
      await ended
      throw new Error(`${command} ended without an answer: ${errors}`)
    }
    return JSON.parse(line.value) as T
  }
  const about = await next<Record<string, unknown>>()
  return {
    about,
    steps(n) {
      child.stdin.write(`${JSON.stringify({ steps: n })}\n`)
      return next<Answer>()
    },
    close() {
      child.stdin.end()
      return ended
    },
  }
}
