/**
 * The half of the double that runs in the page: `contextBridge`, `ipcRenderer` and `webUtils` in an isolated world, and what the bridge exposes
 * in the page's own world. Both functions are sent to the browser as text, so they use nothing from outside of themselves.
 *
 * Values cross between the worlds as the detail of events on the shared document, which Chromium clones as it does for a message; functions and
 * promises cross as numbers. Between page and main process they cross as JSON, which is all that our messages hold.
 */

/** Run in both worlds. `role` is `page` or `preload`; `token` is a secret name of this window. */
export function installBridge(role: 'page' | 'preload', token: string): void {
  type Value = unknown
  const other = role === 'page' ? 'preload' : 'page'
  const { dispatchEvent, addEventListener } = EventTarget.prototype
  const [fire, on] = [dispatchEvent.bind(document), addEventListener.bind(document)]
  const isPlain = (value: Value): value is Record<string, Value> =>
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  const functions = new Map<number, (...args: Value[]) => Value>()
  const promises = new Map<number, { resolve: (value: Value) => void; reject: (error: Error) => void }>()
  let count = 0
  let returned: { value?: Value; error?: string } | undefined
  const say = (kind: string, detail: Value): void => void fire(new CustomEvent(`${token}${role}${kind}`, { detail }))
  const hear = (kind: string, listener: (detail: never) => void): void =>
    on(`${token}${other}${kind}`, (event) => listener((event as CustomEvent).detail as never))

  const pack = (value: Value): Value => {
    if (typeof value === 'function') {
      functions.set(++count, value as (...args: Value[]) => Value)
      return { [`${token}function`]: count }
    }
    if (value instanceof Promise) {
      const id = ++count
      value.then(
        (result) => say('settled', { id, value: pack(result) }),
        (error: unknown) => say('settled', { id, error: error instanceof Error ? error.message : String(error) }),
      )
      return { [`${token}promise`]: id }
    }
    if (Array.isArray(value)) return value.map(pack)
    return isPlain(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pack(item)])) : value
  }
  const unpack = (value: Value): Value => {
    if (Array.isArray(value)) return value.map(unpack)
    if (!isPlain(value)) return value
    const call = value[`${token}function`]
    if (call !== undefined) {
      return (...args: Value[]): Value => {
        returned = undefined
        say('call', { id: call, args: args.map(pack) })
        const answer = returned as { value?: Value; error?: string } | undefined
        if (answer?.error !== undefined) throw new Error(answer.error)
        return unpack(answer?.value)
      }
    }
    const promise = value[`${token}promise`]
    if (promise !== undefined) return new Promise((resolve, reject) => promises.set(promise as number, { resolve, reject }))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item)]))
  }
  hear('call', ({ id, args }: { id: number; args: Value[] }) => {
    let answer: { value?: Value; error?: string }
    try {
      answer = { value: pack(functions.get(id)!(...args.map(unpack))) }
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) }
    }
    say('returned', answer)
  })
  hear('returned', (answer: { value?: Value; error?: string }) => (returned = answer))
  hear('settled', ({ id, value, error }: { id: number; value?: Value; error?: string }) => {
    const promise = promises.get(id)
    promises.delete(id)
    if (error === undefined) promise?.resolve(unpack(value))
    else promise?.reject(new Error(error))
  })

  if (role === 'page') {
    const freeze = (value: Value): Value => {
      if (isPlain(value)) Object.values(value).forEach(freeze)
      return Object.freeze(value)
    }
    hear('expose', ({ name, api }: { name: string; api: Value }) => {
      Object.defineProperty(globalThis, name, { value: freeze(unpack(api)), enumerable: true })
    })
  } else {
    Object.assign(globalThis, { doubleExpose: (name: string, api: Value) => say('expose', { name, api: pack(api) }) })
  }
}

/** Run in the isolated world, after `installBridge`: what a sandboxed preload can require, and the preload in it. */
export function installPreload(
  binding: string,
  deliver: string,
  preload: (require: unknown, module: unknown, exports: unknown) => void,
): void {
  const world = globalThis as unknown as Record<string, (...args: unknown[]) => void>
  const [send, expose] = [world[binding]!, world['doubleExpose']!]
  const listeners = new Map<string, Set<(event: object, ...args: unknown[]) => void>>()
  const calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  const paths = new Map<string, string>()
  let count = 0

  world[deliver] = (message: unknown) => {
    const got = message as {
      kind: 'reply' | 'event' | 'files'
      id: number
      channel: string
      ok?: unknown
      error?: string
      args: unknown[]
      files: { key: string; path: string }[]
    }
    if (got.kind === 'files') got.files.forEach(({ key, path }) => paths.set(key, path))
    else if (got.kind === 'event') listeners.get(got.channel)?.forEach((listener) => listener({}, ...got.args))
    else if (got.error === undefined) calls.get(got.id)?.resolve(got.ok)
    else calls.get(got.id)?.reject(new Error(`Error invoking remote method '${got.channel}': ${got.error}`))
  }
  const ipcRenderer = {
    invoke: (channel: string, ...args: unknown[]) =>
      new Promise((resolve, reject) => {
        calls.set(++count, { resolve, reject })
        send(JSON.stringify({ id: count, channel, args }))
      }),
    on: (channel: string, listener: (event: object, ...args: unknown[]) => void) => {
      listeners.set(channel, (listeners.get(channel) ?? new Set()).add(listener))
      return ipcRenderer
    },
    off: (channel: string, listener: (event: object, ...args: unknown[]) => void) => {
      listeners.get(channel)?.delete(listener)
      return ipcRenderer
    },
  }
  const electron = {
    ipcRenderer,
    contextBridge: { exposeInMainWorld: expose },
    webUtils: {
      getPathForFile(file: File) {
        if (!(file instanceof File)) throw new TypeError('expected a File')
        return paths.get(`${file.name}|${file.size}`) ?? ''
      },
    },
  }
  const require = (name: string): object => {
    if (name === 'electron' || name === 'electron/renderer') return electron
    throw new Error(`module not found: ${name}: a sandboxed preload can require 'electron' alone`)
  }
  const module = { exports: {} }
  preload(require, module, module.exports)
}
