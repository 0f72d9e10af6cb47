/**
 * Who may reach the admin port at all: processes of this machine, but no web page that is open in a browser on this
 * machine (F36). admin-credential.ts decides what a process may do.
 */

import { isLoopbackAddress } from '../http/address.ts'
import { lowerCase } from '../http/ascii.ts'
import type { IncomingMessage } from 'node:http'

/** Whether the Host header names this machine. A web page that rebinds its own name to 127.0.0.1 sends that name. */
export function isLoopbackHost(host: string | undefined): boolean {
  if (host === undefined) return false
  const name = lowerCase(host).replace(/:\d{1,5}$/, '')
  return name === 'localhost' || isLoopbackAddress(name.replace(/^\[(.*)\]$/, '$1'))
}

/** Why the request is refused; undefined when it is not. */
export function loopbackRefusal(request: IncomingMessage): string | undefined {
  if (!isLoopbackAddress(request.socket.remoteAddress))
    return 'only requests from this machine are answered'
  if (!isLoopbackHost(request.headers.host)) return 'the Host header does not name this machine'
  if (request.headers.origin !== undefined) return 'requests from web pages are refused'
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'none' && site !== 'same-origin') {
    return 'requests from web pages are refused'
  }
  return undefined
}
