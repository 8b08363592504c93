import { existsSync, readFileSync } from 'node:fs'
import { extname, resolve, sep } from 'node:path'

/**
 * What a page may do: run its own scripts, show its own pictures, talk to where it came from. No inline script or style, no other origin, no
 * frame, no form.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types svelte-trusted-html stillroom-worker',
].join('; ')

/** Headers of every answer to a page. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), usb=(), serial=()',
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
}

export interface PageFile {
  status: 200 | 404
  headers: Record<string, string>
  body: Uint8Array
}

/**
 * One file of the built page; what is not there, or has no known type, is a 404.
 * @param root folder of the built page
 * @param path path of the address, still encoded, e.g. `/assets/index-1a2b.js`
 */
export function pageFile(root: string, path: string): PageFile {
  const file = fileOf(root, path)
  const type = file === undefined ? undefined : TYPES[extname(file)]
  if (file === undefined || type === undefined || !existsSync(file)) {
    return { status: 404, headers: { ...PAGE_HEADERS, 'content-type': 'text/plain' }, body: Buffer.from('not found') }
  }
  // Names of built files carry a hash of their content; the page itself does not.
  const cache = /-[\w-]{8}\.\w+$/.test(file) ? 'public, max-age=31536000, immutable' : 'no-store'
  return { status: 200, headers: { ...PAGE_HEADERS, 'content-type': type, 'cache-control': cache }, body: readFileSync(file) }
}

/** The file that an address names, or undefined when it lies outside of the page's folder. */
function fileOf(root: string, path: string): string | undefined {
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    return undefined
  }
  if (decoded.includes('\0') || decoded.includes('\\')) return undefined
  const file = resolve(root, `.${decoded.startsWith('/') ? decoded : `/${decoded}`}${decoded.endsWith('/') ? 'index.html' : ''}`)
  return file.startsWith(resolve(root) + sep) ? file : undefined
}
