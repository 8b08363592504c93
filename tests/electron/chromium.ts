import { existsSync } from 'node:fs'

/** Debian's Chromium, or the one that STILLROOM_CHROMIUM names. */
export const CHROMIUM = process.env['STILLROOM_CHROMIUM'] ?? '/usr/bin/chromium'

/** Switches for a browser that draws in software, as root in a container, and leaves the network alone. */
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
]

let told = false

/** Whether there is a Chromium; says so in one line when there is none. */
export function hasChromium(): boolean {
  if (existsSync(CHROMIUM)) return true
  if (!told)
    process.stdout.write(`skipped: tests of the window need a Chromium: ${CHROMIUM} is not there (apt-get install chromium)\n`)
  told = true
  return false
}
