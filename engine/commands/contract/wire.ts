import { StillroomError, type ErrorCode } from '../../errors.ts'

/** An error as it crosses a process boundary and as `--json` prints it. */
export interface WireError {
  code: ErrorCode
  message: string
  where?: string
  hint?: string
}

/** Any thrown value in wire form. What is not one of our errors is a fault of this program. */
export function toWire(error: unknown): WireError {
  if (error instanceof StillroomError) {
    const { code, message, where, hint } = error
    return { code, message, ...(where === undefined ? {} : { where }), ...(hint === undefined ? {} : { hint }) }
  }
  const known = systemError(error)
  if (known) return known
  const message = error instanceof Error ? error.message : String(error)
  return {
    code: 'bug',
    message: message || 'unknown error',
    hint: 'this is a fault of Stillroom; STILLROOM_DEBUG=1 prints the stack',
  }
}

const SYSTEM: Record<string, string> = {
  ENOENT: 'no such file or folder',
  EISDIR: 'is a folder, expected a file',
  ENOTDIR: 'is a file, expected a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOSPC: 'no space left on the disk',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
}

/** The file system's own errors, which are about what the user named and not about this program. */
function systemError(error: unknown): WireError | undefined {
  const { code, path } = (error ?? {}) as { code?: unknown; path?: unknown }
  const text = typeof code === 'string' ? SYSTEM[code] : undefined
  if (text === undefined || !(error instanceof Error)) return undefined
  return {
    code: 'data',
    message: typeof path === 'string' ? `${path}: ${text}` : text,
    ...(typeof path === 'string' ? { where: path } : {}),
  }
}

/** The error again, on the other side. */
export const fromWire = ({ code, message, where, hint }: WireError): StillroomError =>
  new StillroomError(code, message, { ...(where === undefined ? {} : { where }), ...(hint === undefined ? {} : { hint }) })
