import { statSync } from 'node:fs'
import { resolve } from 'node:path'

/**
 * Model files among the words of a command line, as a double click or a second start gives them. Switches, and words that are no file, belong to
 * others.
 * @param cwd folder from which the command was given
 */
export function filesOf(words: readonly string[], cwd: string): string[] {
  return words
    .filter((word) => !word.startsWith('-') && /\.(onnx|ort)$/i.test(word))
    .map((word) => resolve(cwd, word))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
}
