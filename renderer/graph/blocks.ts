/** Finding what repeats in a list of operators, so that twelve equal blocks of a transformer can be drawn as twelve boxes. */

/** One occurrence of a repeated block: items [start, end) of the list, the `nth` of `of`. */
export interface Block {
  start: number
  end: number
  nth: number
  of: number
}

/** Longest block that is looked for, in nodes. */
const LONGEST = 400

/**
 * Tandem repeats: stretches of the list that follow each other two or more times. At each place the period that covers most is taken, the
 * shortest of equal ones; then the search goes on behind it. Blocks of fewer than `least` items are left alone.
 */
export function findBlocks(items: readonly string[], least = 3): Block[] {
  const blocks: Block[] = []
  let at = 0
  while (at < items.length) {
    let [best, times] = [0, 1]
    for (let period = least; period <= Math.min(LONGEST, (items.length - at) >> 1); period++) {
      if (items[at] !== items[at + period]) continue
      let length = 0
      while (at + period + length < items.length && items[at + length] === items[at + period + length]) length++
      const repeats = 1 + Math.floor(length / period)
      if (repeats > 1 && repeats * period > best * times) [best, times] = [period, repeats]
    }
    for (let nth = 0; nth < times && best > 0; nth++) {
      blocks.push({ start: at + nth * best, end: at + (nth + 1) * best, nth: nth + 1, of: times })
    }
    at += best > 0 ? best * times : 1
  }
  return blocks
}
