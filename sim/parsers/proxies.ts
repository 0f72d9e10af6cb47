/** Parsers of what proxies write about their clients: headers of requests, and the PROXY protocol. */

import { forwardedClient, type ForwardedKind } from '../../gateway/http/forwarded.ts'
import { PROXY_HEADER_BYTES_MAX, readProxyHeader } from '../../gateway/http/proxy-protocol.ts'
import {
  binaryHeader,
  headerField,
  LOCAL,
  PROXY,
  TCP4,
  TCP6,
  tlsField,
} from '../../gateway/testing/proxy-headers.ts'
import { parseIp } from '../../protocol/iam/ip.ts'
import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { HEX, promise, subjectText, WORD, type Subject } from './subject.ts'

const PEER = { address: '10.0.0.1', secure: false }

/** Half of all drawn addresses are trusted proxies'. */
function trusts(address: string): boolean {
  return address.startsWith('10.') || address.startsWith('2001:db8:')
}

function drawnAddress(random: SmallRandom): string {
  return random.pick([
    `10.0.${random.below(256)}.${random.below(256)}`,
    `192.0.2.${random.below(256)}`,
    `2001:db8::${subjectText(random, HEX, 4, 1)}`,
    `fd00::${subjectText(random, HEX, 4, 1)}`,
  ])
}

/** With or without a port. */
function drawnNode(random: SmallRandom): string {
  const address = drawnAddress(random)
  const plain = address.includes(':') ? `[${address}]` : address
  return random.chance(0.5) ? `${plain}:${random.below(65_536)}` : plain
}

function drawnList(random: SmallRandom, draw: () => string): string {
  return Array.from({ length: 1 + random.below(4) }, draw).join(random.pick([',', ', ']))
}

/** Whoever may be named: an address that is one, and no trusted proxy unless all are. */
function isClient(kind: ForwardedKind, header: string): boolean {
  const name = kind === 'forwarded' ? 'forwarded' : 'x-forwarded-for'
  const { address, secure } = forwardedClient(kind, { [name]: header }, PEER, trusts)
  promise(parseIp(address) !== undefined, 'the client has no address')
  promise(kind === 'forwarded' || !secure, 'secure without a word of it')
  // What stands further left can't change who the client is.
  if (!trusts(address)) {
    const more = kind === 'forwarded' ? `for=8.8.8.8,${header}` : `8.8.8.8,${header}`
    const again = forwardedClient(kind, { [name]: more }, PEER, trusts)
    promise(again.address === address, 'what the client wrote changes its address')
  }
  return true
}

const xForwarded: Subject = {
  name: 'X-Forwarded-For',
  pieces: /[\da-f]+|[.:,[\] ]/g,
  share: 40,
  sizeMax: 16 * 1024,
  valid: (random) => drawnList(random, () => drawnNode(random)),
  take: (header) => isClient('x-forwarded', header),
}

const forwarded: Subject = {
  name: 'Forwarded',
  pieces: /[\w.]+|[=;,":[\] ]/g,
  share: 50,
  sizeMax: 16 * 1024,
  valid(random) {
    return drawnList(random, () => {
      const proto = random.pick(['', ';proto=https', ';Proto=http', ';by="_proxy"'])
      return `For="${drawnNode(random)}"${proto}`
    })
  },
  take: (header) => isClient('forwarded', header),
}

/** Bytes as latin1. */
const proxyProtocol: Subject = {
  name: 'PROXY protocol',
  pieces: /PROXY |[\da-f.:]+|[^]/g,
  share: 60,
  sizeMax: PROXY_HEADER_BYTES_MAX + 100,
  valid(random) {
    const ports = `${random.below(65_536)} ${random.below(65_536)}`
    const line = random.pick([
      `PROXY TCP4 192.0.2.${random.below(256)} 203.0.113.5 ${ports}\r\n`,
      `PROXY TCP6 2001:db8::${subjectText(random, HEX, 4, 1)} fd00::1 ${ports}\r\n`,
      'PROXY UNKNOWN\r\n',
    ])
    return random.chance(0.5) ? line : drawnBinary(random).toString('latin1')
  },
  take(text) {
    const bytes = Buffer.from(text, 'latin1')
    const header = readProxyHeader(bytes)
    if (header.type !== 'whole') return false
    const { sizeBytes, client } = header
    promise(sizeBytes <= bytes.length, 'the header is longer than what came')
    promise(sizeBytes <= PROXY_HEADER_BYTES_MAX, 'the header is too long')
    promise(client === undefined || parseIp(client.address) !== undefined, 'no address')
    const alone = readProxyHeader(bytes.subarray(0, sizeBytes))
    promise(JSON.stringify(alone) === JSON.stringify(header), 'what follows changes the header')
    const less = readProxyHeader(bytes.subarray(0, sizeBytes - 1))
    promise(less.type === 'incomplete', 'a header without its last byte is not incomplete')
    return true
  },
}

function drawnBinary(random: SmallRandom): Buffer {
  const field = headerField(random.below(256), Buffer.from(subjectText(random, WORD, 12, 5)))
  const fields = random.pick([Buffer.alloc(0), tlsField(true), field])
  const [kind, size] = random.pick([
    [TCP4, 12],
    [TCP6, 36],
  ] as const)
  const addresses = Buffer.from(Array.from({ length: size }, () => random.below(256)))
  const rest = Buffer.concat([addresses, fields])
  return binaryHeader(random.chance(0.9) ? PROXY : LOCAL, kind, rest)
}

export const PROXY_SUBJECTS: readonly Subject[] = [xForwarded, forwarded, proxyProtocol]
