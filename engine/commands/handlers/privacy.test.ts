import { createServer } from 'node:net'
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import privacy, { address, parseSocket } from './privacy.ts'

describe('addresses of /proc/net', () => {
  it.each([
    ['0100007F:1F90', '127.0.0.1:8080'],
    ['00000000:0000', '0.0.0.0:0'],
    ['00000000000000000000000001000000:0016', '[::1]:22'],
    ['0000000000000000FFFF00000100007F:0050', '[::ffff:127.0.0.1]:80'],
    // 2001:db8::1, in words of little-endian machines.
    ['B80D0120000000000000000001000000:01BB', '[2001:db8::1]:443'],
  ])('%s is %s', (text, expected) => expect(address(text)).toBe(expected))

  it('tells the loopback interface from the rest', () => {
    const line = (local: string, remote: string): string =>
      `  0: ${local} ${remote} 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1`
    expect(parseSocket(line('0100007F:0050', '0100007F:9C40'))).toMatchObject({
      inode: '4711',
      state: 'established',
      loopback: true,
    })
    expect(parseSocket(line('0A00000A:9C40', '08080808:01BB'))).toMatchObject({ remote: '8.8.8.8:443', loopback: false })
    expect(parseSocket(line('00000000:0050', '00000000:0000'))?.loopback).toBe(false)
    expect(parseSocket('')).toBeUndefined()
  })
})

describe.runIf(existsSync('/proc/self/net/tcp'))('the list of this process', () => {
  it('shows a server, on loopback and on every interface', async () => {
    for (const [host, loopback] of [
      ['127.0.0.1', true],
      ['0.0.0.0', false],
    ] as const) {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, host, resolve))
      const { port } = server.address() as { port: number }
      const { sockets, outside } = (await privacy({} as never, {} as never)) as unknown as {
        sockets: { local: string; loopback: boolean }[]
        outside: number
      }
      expect(sockets.find(({ local }) => local === `${host}:${port}`)).toMatchObject({ loopback })
      expect(outside > 0).toBe(!loopback)
      await new Promise((resolve) => server.close(resolve))
    }
  })
})
