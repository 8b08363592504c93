import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventEmitter } from 'node:events'
import { afterAll, describe, expect, it } from 'vitest'
import { CONTENT_SECURITY_POLICY, pageFile } from '../engine/commands/door/index.ts'
import { filesOf } from './openFiles.ts'
import { guardContents, guardSession, isOurSender, isOurUrl, mayLoad, OFFLINE_SWITCHES } from './security.ts'
import { placeOf } from './windowState.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-electron-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('addresses', () => {
  it.each(['app://stillroom/index.html', 'app://stillroom/assets/a.js?x#y'])('%s is ours', (url) =>
    expect(isOurUrl(url)).toBe(true),
  )
  it.each([
    'app://other/index.html',
    'app://stillroom.evil/',
    'https://stillroom/',
    'file:///etc/passwd',
    'about:blank',
    '',
    'app:stillroom',
  ])('%s is not', (url) => expect(isOurUrl(url)).toBe(false))
  it.each(['app://stillroom/a.js', 'data:image/png;base64,AA', 'blob:app://stillroom/1'])('%s may be loaded', (url) =>
    expect(mayLoad(url)).toBe(true),
  )
  it.each(['https://example.org/', 'http://127.0.0.1/', 'ws://localhost/', 'file:///etc/passwd', 'ftp://x/', 'app://other/'])(
    '%s may not',
    (url) => expect(mayLoad(url)).toBe(false),
  )
})

describe('the sender of a message', () => {
  const windows = new Set([1])
  const ours = { url: 'app://stillroom/index.html', parent: null }
  it('is our page in the top frame of our window', () =>
    expect(isOurSender({ sender: { id: 1 }, senderFrame: ours }, windows)).toBe(true))
  it.each([
    ['another window', 2, ours],
    ['a frame in the page', 1, { ...ours, parent: ours }],
    ['another page in our window', 1, { ...ours, url: 'https://example.org/' }],
    ['a file in our window', 1, { ...ours, url: 'file:///tmp/index.html' }],
    ['a frame that is gone', 1, null],
  ])('is not %s', (_, id, senderFrame) => expect(isOurSender({ sender: { id }, senderFrame }, windows)).toBe(false))
})

describe('what a page is denied', () => {
  function contents() {
    let open: (details: object) => { action: string } = () => ({ action: 'allow' })
    const emitter = Object.assign(new EventEmitter(), { setWindowOpenHandler: (handler: typeof open) => (open = handler) })
    guardContents(emitter as never)
    const prevented = (name: string, fields: object): boolean => {
      let stopped = false
      emitter.emit(name, { ...fields, preventDefault: () => (stopped = true) })
      return stopped
    }
    return { prevented, open: (url: string) => open({ url }) }
  }

  it.each([
    ['will-navigate', { url: 'app://stillroom/index.html' }, false],
    ['will-navigate', { url: 'https://example.org/' }, true],
    ['will-navigate', { url: 'file:///tmp/dropped.onnx' }, true],
    ['will-frame-navigate', { url: 'app://stillroom/index.html', isMainFrame: true }, false],
    ['will-frame-navigate', { url: 'app://stillroom/index.html', isMainFrame: false }, true],
    ['will-redirect', { url: 'app://stillroom/index.html' }, true],
    ['will-attach-webview', {}, true],
  ])('%s %j: prevented %s', (name, fields, expected) => expect(contents().prevented(name, fields)).toBe(expected))
  it('new windows, whatever they would show', () => {
    expect([contents().open('https://example.org/'), contents().open('app://stillroom/index.html')]).toEqual([
      { action: 'deny' },
      { action: 'deny' },
    ])
  })

  it('permissions, devices, downloads, spelling dictionaries and the network', () => {
    const kept: Record<string, (...args: unknown[]) => unknown> = {}
    const keep = (name: string) => (handler: (...args: unknown[]) => unknown) => (kept[name] = handler)
    let [spelling, stopped] = [true, false]
    guardSession({
      setPermissionRequestHandler: keep('request'),
      setPermissionCheckHandler: keep('check'),
      setDevicePermissionHandler: keep('device'),
      webRequest: { onBeforeRequest: keep('before') },
      on: (name: string, handler: (...args: unknown[]) => unknown) => (kept[name] = handler),
      setSpellCheckerEnabled: (on: boolean) => (spelling = on),
    } as never)
    const answers: unknown[] = []
    for (const permission of ['notifications', 'media', 'geolocation', 'clipboard-read', 'openExternal'])
      kept['request']!({}, permission, (answer: unknown) => answers.push(answer))
    expect(answers).toEqual([false, false, false, false, false])
    expect([kept['check']!(), kept['device']!(), spelling]).toEqual([false, false, false])
    kept['will-download']!({ preventDefault: () => (stopped = true) })
    expect(stopped).toBe(true)
    const cancelled = (url: string): unknown => {
      let result: unknown
      kept['before']!({ url }, (answer: { cancel: boolean }) => (result = answer.cancel))
      return result
    }
    expect([cancelled('app://stillroom/a.js'), cancelled('https://example.org/')]).toEqual([false, true])
    expect(OFFLINE_SWITCHES).toContainEqual(['host-resolver-rules', 'MAP * ~NOTFOUND'])
  })
})

describe('the page', () => {
  mkdirSync(join(folder, 'page'))
  writeFileSync(join(folder, 'page', 'index.html'), 'page')
  writeFileSync(join(folder, 'secret.html'), 'secret')
  it('comes with its policy', () => {
    const { status, headers } = pageFile(join(folder, 'page'), '/index.html')
    expect([status, headers['content-security-policy']]).toEqual([200, CONTENT_SECURITY_POLICY])
    expect(CONTENT_SECURITY_POLICY).not.toMatch(/unsafe|\*/)
  })
  it.each(['/../secret.html', '/%2e%2e/secret.html', '/..%2fsecret.html', '/'.repeat(3) + 'etc/passwd', '/nothing.html'])(
    'is not %s',
    (path) => {
      expect(pageFile(join(folder, 'page'), path).status).toBe(404)
    },
  )
})

describe('files that the system opens', () => {
  writeFileSync(join(folder, 'm.onnx'), 'x')
  writeFileSync(join(folder, 'm.txt'), 'x')
  mkdirSync(join(folder, 'folder.onnx'))
  it('are models that are there', () => {
    const words = [
      '--flag=m.onnx',
      '-m.onnx',
      'm.onnx',
      'm.txt',
      'none.onnx',
      'folder.onnx',
      join(folder, 'm.onnx'),
      'https://example.org/m.onnx',
    ]
    expect(filesOf(words, folder)).toEqual([join(folder, 'm.onnx'), join(folder, 'm.onnx')])
  })
})

describe('the place of the window', () => {
  const screen = { x: 0, y: 0, width: 1920, height: 1080 }
  it.each([
    ['none yet', null, { width: 1280, height: 800 }],
    ['where it was', { x: 100, y: 50, width: 900, height: 700 }, { x: 100, y: 50, width: 900, height: 700 }],
    ['of a screen that is gone', { x: 3000, y: 50, width: 900, height: 700 }, { width: 900, height: 700 }],
    ['above the screen', { x: 100, y: -500, width: 900, height: 700 }, { width: 900, height: 700 }],
    ['too small', { x: 100, y: 50, width: 10, height: 10 }, { x: 100, y: 50, width: 800, height: 560 }],
  ])('%s', (_, bounds, expected) => expect(placeOf({ bounds, maximized: false }, [screen])).toEqual(expected))
})
