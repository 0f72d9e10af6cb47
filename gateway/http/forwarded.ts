/**
 * The headers in which proxies name the client: X-Forwarded-For with X-Forwarded-Proto, and Forwarded (RFC 7239).
 *
 * Each proxy adds the address that it was asked from at the right end. So the list is read from the right, as long as the
 * addresses are those of trusted proxies: the first other one is the client. What is left of it was written by the client, or
 * by proxies that are not trusted, and says nothing.
 *
 * A node reads one kind of header only. Most proxies write one kind and pass the other on as the client sent it, so a
 * client could choose its address if both were read.
 */

import { parseIp } from '../../protocol/iam/ip.ts'
import { lowerCase, trim } from './ascii.ts'
import type { Client } from './client.ts'
import { S3Error } from './errors.ts'

/** Which kind of header is read. */
export type ForwardedKind = 'x-forwarded' | 'forwarded'

/** Longer chains of proxies are refused. */
const HOPS_MAX = 32

/** Characters of a token, and of a value that needs no quotes. Addresses and ports are taken without them too. */
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z:[\]-]+/y
const QUOTED = /"((?:[^"\\]|\\.)*)"/y
const SEPARATOR = /[ \t]*([;,])[ \t]*/y

/** The parameters that are read. */
const FIELDS: ReadonlyMap<string, keyof Hop> = new Map([
  ['for', 'node'],
  ['proto', 'proto'],
])

/** One proxy's part of the list: where it was asked from, and how. */
interface Hop {
  readonly node: string | undefined
  readonly proto: string | undefined
}

/**
 * The client of a request that a trusted proxy has passed on. `peer` is the proxy. Without the header it is the proxy
 * itself. Throws S3Error InvalidRequest when the header has no address where one is looked for: the client is not known
 * then, and must not be taken for a proxy.
 */
export function forwardedClient(
  kind: ForwardedKind,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  peer: Client,
  trusts: (address: string) => boolean,
): Client {
  return kind === 'forwarded'
    ? fromForwarded(textOf(headers['forwarded']), peer, trusts)
    : fromXForwarded(headers, peer, trusts)
}

function fromXForwarded(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  peer: Client,
  trusts: (address: string) => boolean,
): Client {
  const listed = textOf(headers['x-forwarded-for'])
  const protos = textOf(headers['x-forwarded-proto'])
  const address =
    listed === '' ? peer.address : furthest(listed.split(','), 'X-Forwarded-For', trusts).address
  if (protos === '') return { address, secure: peer.secure }
  return { address, secure: allSecure(protos.split(','), 'X-Forwarded-Proto') }
}

function fromForwarded(text: string, peer: Client, trusts: (address: string) => boolean): Client {
  if (text === '') return peer
  const hops = parseForwarded(text)
  if (hops === undefined) throw malformed('Forwarded')
  const addresses = hops.map(({ node }) => node ?? '')
  const { address, at } = furthest(addresses, 'Forwarded', trusts)
  // A proxy that does not say how it was asked says nothing against the others.
  const protos = hops.slice(at).flatMap(({ proto }) => (proto === undefined ? [] : [proto]))
  return { address, secure: protos.length === 0 ? peer.secure : allSecure(protos, 'Forwarded') }
}

/** The rightmost address that is not a trusted proxy's; the leftmost when all are. `at` is its place in the list. */
function furthest(
  nodes: readonly string[],
  header: string,
  trusts: (address: string) => boolean,
): { readonly address: string; readonly at: number } {
  for (let at = nodes.length - 1; at >= 0; at--) {
    const address = addressOfNode(nodes[at] ?? '')
    if (address === undefined || nodes.length - at > HOPS_MAX) throw malformed(header)
    if (at === 0 || !trusts(address)) return { address, at }
  }
  throw malformed(header)
}

/** Only if every proxy was asked over TLS was the client's request never in clear text. */
function allSecure(protos: readonly string[], header: string): boolean {
  const said = protos.map((proto) => lowerCase(trim(proto)))
  if (said.some((proto) => proto !== 'https' && proto !== 'http')) throw malformed(header)
  return said.every((proto) => proto === 'https')
}

/** '192.0.2.1', '192.0.2.1:80', '2001:db8::1', '[2001:db8::1]' or '[2001:db8::1]:80'. Undefined for anything else. */
export function addressOfNode(node: string): string | undefined {
  const text = trim(node)
  const [, six, four] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(text) ?? []
  return plainIp(six ?? four ?? text)
}

/** The address as sockets show it. An IPv4 address inside IPv6 is that IPv4 address. */
export function plainIp(text: string): string | undefined {
  const bytes = parseIp(text)
  if (bytes === undefined) return undefined
  return bytes.length === 4 ? bytes.join('.') : lowerCase(text)
}

/** Undefined when the text does not follow RFC 7239. */
function parseForwarded(text: string): Hop[] | undefined {
  const hops: Hop[] = []
  let hop: { node?: string; proto?: string } = {}
  for (let at = 0; ;) {
    const name = matchAt(TOKEN, text, at)
    if (name === undefined || text[at + name[0].length] !== '=') return undefined
    at += name[0].length + 1
    const value = matchAt(QUOTED, text, at) ?? matchAt(TOKEN, text, at)
    if (value === undefined) return undefined
    at += value[0].length
    const field = FIELDS.get(lowerCase(name[0]))
    if (field !== undefined) {
      if (hop[field] !== undefined) return undefined
      hop[field] = value[1]?.replaceAll(/\\(.)/g, '$1') ?? value[0]
    }
    const separator = matchAt(SEPARATOR, text, at)
    if (separator?.[1] !== ';') {
      hops.push({ node: hop.node, proto: hop.proto })
      hop = {}
    }
    if (separator === undefined) return at === text.length ? hops : undefined
    at += separator[0].length
  }
}

/** `pattern` is sticky. */
function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(text) ?? undefined
}

function textOf(value: string | string[] | undefined): string {
  const text = Array.isArray(value) ? value.join(',') : (value ?? '')
  return trim(text)
}

function malformed(header: string): S3Error {
  return new S3Error('InvalidRequest', `A proxy has sent a header ${header} that is not valid.`)
}
