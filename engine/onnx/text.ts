/**
 * Strings of a file. The format asks for UTF-8, files do not always obey: a byte that is not UTF-8 becomes the lone
 * surrogate U+DC00 + byte (as Python's `surrogateescape` does), so that every string is written back byte for byte.
 */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function decodeText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  return text.includes('\ufffd') ? decodeBroken(bytes) : text
}

function decodeBroken(bytes: Uint8Array): string {
  let out = ''
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at]!
    const length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2
    try {
      out += strict.decode(bytes.subarray(at, at + length))
      at += length
    } catch {
      out += String.fromCharCode(0xdc00 + lead)
      at++
    }
  }
  return out
}

export function encodeText(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8')
  const parts: Buffer[] = []
  for (const character of text) {
    const code = character.codePointAt(0)!
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character, 'utf8'))
  }
  return Buffer.concat(parts)
}

export const textLength = (text: string): number =>
  text.isWellFormed() ? Buffer.byteLength(text, 'utf8') : encodeText(text).length
