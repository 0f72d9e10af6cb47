/**
 * The PROXY protocol, versions 1 and 2: what a proxy writes in front of a connection's own bytes, to say whose they are
 * (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt).
 *
 *   version 1   "PROXY TCP4 192.0.2.1 203.0.113.5 56324 443\r\n", also TCP6; or "PROXY UNKNOWN …\r\n". At most 107 bytes
 *   version 2   signature (12) | version, command (1) | family, transport (1) | length (2) | addresses | fields
 *
 * Of the fields only the one about TLS is read: whether the client spoke TLS to the proxy.
 */

import { parseIp } from '../../protocol/iam/ip.ts'
import type { Client } from './client.ts'
import { plainIp } from './forwarded.ts'

/** Bytes of the longest header that is taken. A longer one is refused as soon as its length is known. */
export const PROXY_HEADER_BYTES_MAX = 4_096

const LINE_BYTES_MAX = 107
const LINE_START = Buffer.from('PROXY ')
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const FIXED_BYTES = 16

/** Family and transport: the sizes of both addresses and ports. Of the others, those without IP addresses. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x11, 12],
  [0x21, 36],
])
const UNSPECIFIED = 0x00
const UNIX_STREAM = 0x31

const FIELD_TLS = 0x20
/** Of the first byte of that field: the client spoke TLS. */
const CLIENT_TLS = 0x01

export type ProxyHeader =
  | { readonly type: 'incomplete' }
  | { readonly type: 'malformed'; readonly why: string }
  | {
      readonly type: 'whole'
      readonly sizeBytes: number
      /** Undefined when the proxy speaks for itself, or does not know the client. */
      readonly client: Client | undefined
    }

const INCOMPLETE: ProxyHeader = { type: 'incomplete' }

/** Reads the header at the start of `bytes`. It is malformed as soon as no further bytes could make it one. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (startsAlike(bytes, SIGNATURE)) {
    return bytes.length < FIXED_BYTES ? INCOMPLETE : readBinary(Buffer.from(bytes))
  }
  if (startsAlike(bytes, LINE_START)) return readLine(bytes)
  return malformed('the connection does not begin with a header of the PROXY protocol')
}

/** Whether one of both begins with the other. */
function startsAlike(bytes: Uint8Array, start: Uint8Array): boolean {
  const length = Math.min(bytes.length, start.length)
  for (let at = 0; at < length; at++) if (bytes[at] !== start[at]) return false
  return true
}

function readLine(bytes: Uint8Array): ProxyHeader {
  const text = Buffer.from(bytes.subarray(0, LINE_BYTES_MAX)).toString('latin1')
  const end = text.indexOf('\r\n')
  if (end < 0) {
    return bytes.length < LINE_BYTES_MAX
      ? INCOMPLETE
      : malformed('its line has more than 107 bytes')
  }
  const sizeBytes = end + 2
  const line = text.slice(0, end)
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { type: 'whole', sizeBytes, client: undefined }
  const [, version, from = '', to = '', ...ports] =
    /^PROXY TCP([46]) ([^ ]+) ([^ ]+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? []
  const fits = [from, to].every((each) => parseIp(each) !== undefined && isVersion(each, version))
  const address = plainIp(from)
  if (!fits || address === undefined || !ports.every(isPort)) {
    return malformed('its line is not that of TCP4, TCP6 or UNKNOWN')
  }
  return { type: 'whole', sizeBytes, client: { address, secure: false } }
}

function isVersion(address: string, version: string | undefined): boolean {
  return address.includes(':') === (version === '6')
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d*)$/.test(text) && Number(text) <= 65_535
}

function readBinary(bytes: Buffer): ProxyHeader {
  const command = bytes.readUInt8(12)
  const kind = bytes.readUInt8(13)
  const sizeBytes = FIXED_BYTES + bytes.readUInt16BE(14)
  if (command !== 0x20 && command !== 0x21) return malformed('its version or command is unknown')
  if (sizeBytes > PROXY_HEADER_BYTES_MAX) {
    return malformed(`it has more than ${PROXY_HEADER_BYTES_MAX} bytes`)
  }
  if (bytes.length < sizeBytes) return INCOMPLETE
  // LOCAL: a health check of the proxy. Whatever follows is skipped.
  if (command === 0x20) return { type: 'whole', sizeBytes, client: undefined }
  const rest = bytes.subarray(FIXED_BYTES, sizeBytes)
  if (kind === UNSPECIFIED || kind === UNIX_STREAM) {
    return { type: 'whole', sizeBytes, client: undefined }
  }
  const addressBytes = ADDRESS_BYTES.get(kind)
  if (addressBytes === undefined) return malformed('its addresses are not those of TCP')
  if (rest.length < addressBytes) return malformed('it is too short for its addresses')
  const secure = tlsOf(rest.subarray(addressBytes))
  if (secure === undefined) return malformed('its fields do not fit into it')
  const source = rest.subarray(0, kind === 0x11 ? 4 : 16)
  return { type: 'whole', sizeBytes, client: { address: textOfIp(source), secure } }
}

/** Whether a field says that the client spoke TLS. Undefined when the fields are malformed. */
function tlsOf(fields: Buffer): boolean | undefined {
  let secure = false
  for (let at = 0; at < fields.length;) {
    if (at + 3 > fields.length) return undefined
    const type = fields.readUInt8(at)
    const end = at + 3 + fields.readUInt16BE(at + 1)
    if (end > fields.length) return undefined
    if (type === FIELD_TLS) {
      // One byte of flags and four of the verification's result come first.
      if (end < at + 8) return undefined
      secure = (fields.readUInt8(at + 3) & CLIENT_TLS) !== 0
    }
    at = end
  }
  return secure
}

function textOfIp(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at).toString(16))
  const full = groups.join(':')
  return plainIp(full) ?? full
}

function malformed(why: string): ProxyHeader {
  return { type: 'malformed', why }
}
