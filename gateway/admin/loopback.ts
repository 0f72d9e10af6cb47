/**
 * Who may reach the admin port at all: processes of this machine, and no web page that a browser on this machine
 * has open (F36). What a process may ask there is admin-credential.ts's.
 */

import { plainAddress } from '../http/address.ts'
import { lowerCase } from '../http/ascii.ts'
import type { IncomingMessage } from 'node:http'

/** 127.0.0.0/8, ::1, and the former as IPv6 sees it. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false
  const plain = plainAddress(address)
  return plain === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(plain)
}

/** The Host header names this machine: a page that rebinds its own name to 127.0.0.1 does not. */
export function isLoopbackHost(host: string | undefined): boolean {
  if (host === undefined) return false
  const name = lowerCase(host).replace(/:\d{1,5}$/, '')
  return name === 'localhost' || isLoopbackAddress(name.replace(/^\[(.*)\]$/, '$1'))
}

/** Why the request is refused, undefined when it is not. */
export function loopbackRefusal(request: IncomingMessage): string | undefined {
  if (!isLoopbackAddress(request.socket.remoteAddress)) return 'not from this machine'
  if (!isLoopbackHost(request.headers.host)) return 'Host is not this machine'
  if (request.headers.origin !== undefined) return 'requests from web pages are refused'
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'none' && site !== 'same-origin') {
    return 'requests from web pages are refused'
  }
  return undefined
}
