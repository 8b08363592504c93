/**
 * The five kinds of failure. A message says where, what was expected, what was found; `hint` says what to do.
 * The exit codes are those of the command line.
 */
export type ErrorCode =
  'model' | 'data' | 'unsupported' | 'option' | 'runtime' | 'goal-missed' | 'interrupted' | 'engine-exited' | 'bug'

export interface ErrorPlace {
  /** File, node, field or option at fault, e.g. `model.onnx: node 'conv1' (Conv)`. */
  where?: string
  /** What the reader can do about it. */
  hint?: string
  cause?: unknown
}

export class StillroomError extends Error {
  readonly code: ErrorCode
  readonly where: string | undefined
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, place: ErrorPlace = {}) {
    super(message, place.cause === undefined ? undefined : { cause: place.cause })
    this.name = new.target.name
    this.code = code
    this.where = place.where
    this.hint = place.hint
  }
}

/** The model file is wrong (exit code 3). */
export class ModelError extends StillroomError {
  constructor(message: string, place?: ErrorPlace) {
    super('model', message, place)
  }
}

/** The data set is wrong (exit code 3). */
export class DataError extends StillroomError {
  constructor(message: string, place?: ErrorPlace) {
    super('data', message, place)
  }
}

/** A rule or feature is missing; `hint` names the file that would hold it (exit code 4). */
export class UnsupportedError extends StillroomError {
  constructor(message: string, place?: ErrorPlace) {
    super('unsupported', message, place)
  }
}

/** An option is wrong; `where` is the path to the field (exit code 2). */
export class OptionError extends StillroomError {
  constructor(message: string, place?: ErrorPlace) {
    super('option', message, place)
  }
}

/** ONNX Runtime failed; `where` carries our node name where it is known (exit code 3). */
export class RuntimeError extends StillroomError {
  constructor(message: string, place?: ErrorPlace) {
    super('runtime', message, place)
  }
}

/** A fault of this program (exit code 1). */
export class BugError extends StillroomError {
  constructor(message: string, place?: ErrorPlace) {
    super('bug', message, place)
  }
}

/** Command line exit code of each kind. */
export const EXIT_CODES: Record<ErrorCode, number> = {
  model: 3,
  data: 3,
  runtime: 3,
  unsupported: 4,
  option: 2,
  'goal-missed': 5,
  interrupted: 130,
  'engine-exited': 130,
  bug: 1,
}
