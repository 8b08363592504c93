/** Listeners of one kind of news. */
export function makeSignal<T>() {
  const listeners = new Set<(value: T) => void>()
  return {
    /** Returns what takes the listener away again. */
    on(listener: (value: T) => void): () => void {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    tell: (value: T): void => listeners.forEach((listener) => listener(value)),
    count: (): number => listeners.size,
  }
}
