import { ModelError, RuntimeError, StillroomError, UnsupportedError } from '../errors.ts'

/**
 * Errors of ONNX Runtime, said in one line: C++ signatures, source paths and repeated prefixes go, the node's name comes out.
 * `about` is the file or model; it becomes the place where the message names no node.
 */
export function explain(cause: unknown, about: string): StillroomError {
  if (cause instanceof StillroomError) return cause
  const raw = cause instanceof Error ? cause.message : String(cause)
  const node = nodeIn(raw)
  const where = node ? `${about}: node ${node}` : about
  const message = clean(raw)
  for (const { when, then } of KNOWN) {
    const match = when.exec(raw)
    if (match) return then(match, { where, cause })
  }
  return new RuntimeError(`ONNX Runtime: ${message}`, { where, cause })
}

type Place = { where: string; cause: unknown }

/** Failures that a person can act on, with what to do. The rest is passed on as ONNX Runtime says it. */
const KNOWN: { when: RegExp; then: (match: RegExpExecArray, place: Place) => StillroomError }[] = [
  {
    when: /([\w.]*):(\w+)\(-?\d+\) is not a registered function\/op/,
    then: ([, domain, op], place) =>
      new UnsupportedError(`operator ${domain ? `${domain}.` : ''}${op} is not known to ONNX Runtime`, {
        ...place,
        hint: 'custom operator libraries are not loaded; export the model with standard operators',
      }),
  },
  {
    when: /No Op registered for (\S+) with domain_version of (\d+)/,
    then: ([, op, version], place) =>
      new UnsupportedError(`operator ${op} does not exist in opset ${version}`, {
        ...place,
        hint: 'export the model with standard operators',
      }),
  },
  {
    when: /No opset import for domain '([^']*)'/,
    then: ([, domain], place) => new ModelError(`the model uses domain '${domain}' without importing an opset for it`, place),
  },
  {
    when: /Could not find an implementation for (?:the node )?(?:([^:\s]*):)?(\w+)\((\d+)\)/,
    then: ([, name, op, version], place) =>
      new UnsupportedError(`ONNX Runtime has no kernel for ${op} of opset ${version} with these element types on this provider`, {
        ...place,
        where: name ? `${place.where.replace(/: node .*$/, '')}: node '${name}' (${op})` : place.where,
        hint: 'try another provider, or export the model in float32',
      }),
  },
  {
    when: /Opset (\d+) is under development/,
    then: ([, version], place) =>
      new UnsupportedError(`opset ${version} is newer than ONNX Runtime knows`, {
        ...place,
        hint: 'export the model with an older opset',
      }),
  },
  {
    when: /Missing opset in the model/,
    then: (_, place) => new ModelError('the model does not say which operator set it uses', place),
  },
  {
    when: /(?:ShapeInferenceError\]|TypeInferenceError\])\s*(.*)/s,
    then: ([whole, detail], place) =>
      new ModelError(`the model contradicts itself, ONNX Runtime refuses it: ${clean(detail ?? whole)}`, {
        ...place,
        hint: 'shapes that the nodes compute do not fit each other; export the model again',
      }),
  },
  {
    when: /External data path does not exist: "([^"]+)"/,
    then: ([, path], place) =>
      new ModelError(`external data file ${path} is missing`, { ...place, hint: 'put it beside the model file' }),
  },
  {
    when: /External data path escapes model directory/,
    then: (_, place) => new ModelError("external data lies outside the model's folder, which is not read", place),
  },
  {
    when: /protobuf parsing failed|ModelProto does not have a graph/i,
    then: (_, place) => new ModelError('this is not an ONNX model, or it is cut short', place),
  },
  {
    when: /no available backend found|Unsupported backend|EP not (?:supported|available)/i,
    then: (match, place) =>
      new RuntimeError(`execution provider is not available: ${clean(match.input)}`, { ...place, hint: 'see `stillroom devices`' }),
  },
  {
    when: /bad_alloc|Failed to allocate memory|Available memory of (\d+) is smaller/i,
    then: (_, place) => new RuntimeError('out of memory', { ...place, hint: 'use a smaller batch' }),
  },
]

/** Name and operator of the node that a message speaks of, as `'name' (Op)`. */
function nodeIn(raw: string): string | undefined {
  const running = /running (\w+) node\. Name:'([^']*)'/.exec(raw)
  if (running) return `'${running[2]}' (${running[1]})`
  const tuple = /In Node, \("([^"]*)", (\w+), "([^"]*)"/.exec(raw)
  if (tuple) return `'${tuple[1]}' (${tuple[3] ? `${tuple[3]}.` : ''}${tuple[2]})`
  const named = /Node ?\(([^)]*)\) Op ?\((\w+)\)/.exec(raw)
  if (named) return `'${named[1]}' (${named[2]})`
  return undefined
}

/** The part of a message that a reader can use. */
function clean(raw: string): string {
  return raw
    .replace(/\s+/g, ' ')
    .replace(/^(?:Error: )?(?:failed to (?:run|load|create)[^:]*: )?/i, '')
    .replace(/Load model from .*? failed: ?/, '')
    .replace(/Non-zero status code returned while running \w+ node\. Name:'[^']*' Status Message: /g, '')
    .replace(/\S*\/onnxruntime_src\/\S+(?::\d+)?/g, '') // source file and line
    .replace(/\S+\.(?:cc|h|cpp|cu):\d+/g, '')
    .replace(/[\w:<>,&*~ ]*?onnxruntime::[\w:~<>]+\([^)]*\)(?: const)?/g, '') // C++ signature
    .replace(/This is an invalid model\. /, '')
    .replace(/Node ?\([^)]*\) Op ?\(\w+\) /, '')
    .replace(/In Node, \(.*?\) , Error /, '')
    .replace(/ {2,}/g, ' ')
    .trim()
    .slice(0, 400)
}
