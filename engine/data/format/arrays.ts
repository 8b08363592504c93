/** One array after the other; a single array is returned as it is. All are of one kind. */
export function joinBytes(parts: readonly (Uint8Array | Float32Array)[]): Uint8Array | Float32Array {
  if (parts.length === 1) return parts[0]!
  const length = parts.reduce((n, part) => n + part.length, 0)
  const all = parts[0] instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** count x channels x height x width to count x height x width x channels. */
export function channelsLast(planes: Uint8Array, count: number, channels: number, area: number): Uint8Array {
  const out = new Uint8Array(planes.length)
  for (let n = 0; n < count; n++) {
    const base = n * channels * area
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < area; i++) out[base + i * channels + c] = planes[base + c * area + i]!
    }
  }
  return out
}
