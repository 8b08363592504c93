import { fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ModelError, RuntimeError, StillroomError, type ErrorCode } from '../errors.ts'
import type { TensorType } from '../ops/index.ts'
import type { Probe } from './probe.ts'

/** What the probing process answers. */
export type Answer =
  | { ok: { types: [string, TensorType][]; inputs: [string, readonly number[]][]; unknown: string[] } }
  | { error: { code: ErrorCode; message: string; where?: string | undefined; hint?: string | undefined } }

export interface GuardOptions {
  /** Largest memory of the probing process, in bytes. */
  memoryBytes: number
  /** Longest time that it may take. */
  limitMs: number
}

const SELF = import.meta.url
const PAGE = 4096

/**
 * Loads and probes a model file in a process of its own, because a malformed file can crash ONNX Runtime, or make it take all
 * memory. Errors: those of loading the model; ModelError naming the file when the process crashed or went over a limit.
 */
export function probeFile(file: string, options: GuardOptions): Promise<Probe> {
  const host = fileURLToPath(new URL(`./probeHost${extname(fileURLToPath(SELF))}`, SELF))
  const child = fork(host, [file], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'], serialization: 'advanced' })
  const name = basename(file)
  return new Promise((resolve, reject) => {
    let over: string | undefined
    const stop = (why: string) => {
      over = why
      child.kill('SIGKILL')
    }
    const clock = setTimeout(() => stop(`took longer than ${Math.round(options.limitMs / 1000)} s`), options.limitMs)
    const watch = setInterval(() => {
      if (residentBytes(child.pid) > options.memoryBytes)
        stop(`took more than ${Math.round(options.memoryBytes / 2 ** 20)} MiB of memory`)
    }, 25)
    const end = () => {
      clearTimeout(clock)
      clearInterval(watch)
    }
    child.on('message', (message) => {
      end()
      child.kill('SIGKILL') // its work is done, and an orderly exit of the runtime takes longer
      const answer = message as Answer
      if ('ok' in answer) resolve({ ...answer.ok, types: new Map(answer.ok.types), inputs: new Map(answer.ok.inputs) })
      else reject(new GuardedError(answer.error))
    })
    child.on('error', (cause) => {
      end()
      reject(new RuntimeError(`the probing process did not start: ${cause.message}`, { where: name, cause }))
    })
    child.on('exit', (code, signal) => {
      end()
      const what = over ? `loading it in ONNX Runtime ${over}` : `it crashes ONNX Runtime (${signal ?? `exit code ${code}`})`
      reject(
        new ModelError(what, {
          where: name,
          hint: 'the file is damaged, or uses an operator in a way that ONNX Runtime does not expect',
        }),
      )
    })
  })
}

/** An error of the other process, with the kind that it had there. */
class GuardedError extends StillroomError {
  constructor({
    code,
    message,
    where,
    hint,
  }: {
    code: ErrorCode
    message: string
    where?: string | undefined
    hint?: string | undefined
  }) {
    super(code, message, { ...(where === undefined ? {} : { where }), ...(hint === undefined ? {} : { hint }) })
  }
}

/** Resident memory of a process; 0 where the system does not tell. */
function residentBytes(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE
  } catch {
    return 0
  }
}
