/** Headers of the PROXY protocol, version 2, as proxies write them. */

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
export const LOCAL = 0x20
export const PROXY = 0x21
export const TCP4 = 0x11
export const TCP6 = 0x21

/** `rest`: addresses and fields. */
export function binaryHeader(command: number, kind: number, rest: Uint8Array): Buffer {
  const head = Buffer.from([command, kind, rest.length >> 8, rest.length & 255])
  return Buffer.concat([SIGNATURE, head, rest])
}

/** Of a client at this IPv4 address. */
export function tcp4Header(source: string, fields: Uint8Array = Buffer.alloc(0)): Buffer {
  const addresses = Buffer.from([...source.split('.').map(Number), 203, 0, 113, 5, 200, 1, 1, 187])
  return binaryHeader(PROXY, TCP4, Buffer.concat([addresses, fields]))
}

export function headerField(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value])
}

/** The field by which the proxy says that the client spoke TLS to it, or did not. */
export function tlsField(secure: boolean): Buffer {
  return headerField(0x20, Buffer.from([secure ? 1 : 0, 0, 0, 0, 0]))
}
