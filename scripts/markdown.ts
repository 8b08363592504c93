/** Replaces what stands between `<!-- generated: NAME -->` and `<!-- end -->` in a Markdown text; a text without the block stays as it is. */
export function fillBlock(text: string, name: string, content: string): string {
  const open = `<!-- generated: ${name} (npm run gen) -->`
  const start = text.indexOf(open)
  const end = text.indexOf('<!-- end -->', start)
  if (start < 0 || end < 0) return text
  return `${text.slice(0, start + open.length)}\n\n${content}\n\n${text.slice(end)}`
}
