/** Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours. */
function distance(a: string, b: string): number {
  let older: number[] = []
  let old = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = old[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(replace, old[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j]!, older[j - 2]! + 1)
    }
    older = old
    old = row
  }
  return old[b.length]!
}

/** The candidate that was probably meant, or undefined when none is near: at most a third of the letters may differ. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const lower = word.toLowerCase().slice(0, 60)
  let best: string | undefined
  let least = Math.max(1, Math.floor(lower.length / 3)) + 1
  for (const candidate of candidates) {
    const d = candidate.startsWith(lower) && lower.length >= 3 ? 1 : distance(lower, candidate.toLowerCase())
    if (d < least) [best, least] = [candidate, d]
  }
  return best
}

/** `did you mean 'x'?`, or nothing. */
export const didYouMean = (word: string, candidates: Iterable<string>, show = (x: string) => x): string | undefined => {
  const found = nearest(word, candidates)
  return found === undefined ? undefined : `did you mean '${show(found)}'?`
}
