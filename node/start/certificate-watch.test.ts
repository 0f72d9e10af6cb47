import { expect, test } from 'vitest'
import type { TlsCertificate } from '../../gateway/http/certificates.ts'
import { CertificateWatch } from './certificate-watch.ts'

const A: readonly TlsCertificate[] = [{ chain: 'a', key: 'a' }]
const B: readonly TlsCertificate[] = [{ chain: 'b', key: 'b' }]
const BROKEN: readonly TlsCertificate[] = [{ chain: 'b', key: 'a' }]

function world(): {
  files: readonly TlsCertificate[] | Error
  readonly port: (readonly TlsCertificate[])[]
  readonly logged: string[]
  readonly watch: CertificateWatch
  /** Lets the time pass until the next look. */
  next(): void
  readonly timers: number
} {
  let timer: (() => void) | undefined
  const it = {
    files: A as readonly TlsCertificate[] | Error,
    port: [] as (readonly TlsCertificate[])[],
    logged: [] as string[],
    next: () => timer?.(),
    get timers() {
      return timer === undefined ? 0 : 1
    },
  }
  const line = (level: string) => (_fields: object, text: string) =>
    void it.logged.push(`${level}: ${text}`)
  const watch = new CertificateWatch({
    port: 'S3',
    current: A,
    read() {
      if (it.files instanceof Error) throw it.files
      return it.files
    },
    replace(certificates) {
      if (certificates === BROKEN) throw new Error('the key is not that of the certificate')
      it.port.push(certificates)
    },
    clock: {
      after(_delayMs, run) {
        timer = run
        return () => (timer = undefined)
      },
    },
    logger: { debug() {}, info: line('info'), warn: line('warn'), error: line('error') },
  })
  return Object.assign(it, { watch })
}

test('changed files are used at the next look, and the same ones are not used twice', () => {
  const it = world()
  it.next()
  expect(it.port).toEqual([])
  it.files = B
  it.next()
  it.next()
  it.watch.look()
  expect(it.port).toEqual([B])
  expect(it.logged).toEqual(['info: the S3 port has new certificates'])
  it.files = A
  it.watch.look()
  expect(it.port).toEqual([B, A])
})

test('files that cannot be used change nothing and are named once, and the next ones are used', () => {
  const it = world()
  it.files = BROKEN
  it.next()
  it.next()
  it.files = new Error('tlsCert: a.pem does not exist')
  it.next()
  it.next()
  expect(it.port).toEqual([])
  const refused = 'error: the S3 port keeps its certificates: the files cannot be used'
  expect(it.logged).toEqual([refused, refused])
  it.files = B
  it.next()
  expect(it.port).toEqual([B])
  it.files = new Error('tlsCert: a.pem does not exist')
  it.next()
  expect(it.logged).toHaveLength(4)
})

test('files that are missing for a while, and again later, are named each time', () => {
  const it = world()
  for (const files of [new Error('gone'), A, new Error('gone'), new Error('gone')]) {
    it.files = files
    it.next()
  }
  expect(it.port).toEqual([])
  expect(it.logged).toHaveLength(2)
})

test('a watch that was stopped looks no more', () => {
  const it = world()
  it.next()
  it.watch.stop()
  expect(it.timers).toBe(0)
})
