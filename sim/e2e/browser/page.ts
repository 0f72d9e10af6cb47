/** The page that uploads from another origin, and the server that gives it to the browser. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What an upload of the page was answered. */
export interface UploadReport {
  /** 0 when the browser does not let the page see the answer. */
  readonly status: number
  readonly text: string
  /** The headers that the page may read, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** Bytes sent, and bytes to send, of each progress event. */
  readonly progress: readonly (readonly [number, number])[]
  /** SHA-256 of the file, in hex. */
  readonly digest: string
}

/** What the page read by fetch. */
export interface ReadReport {
  readonly status: number
  readonly digest: string
  readonly sizeBytes: number
  readonly headers: Readonly<Record<string, string>>
}

/**
 *   put(url, headers, sizeBytes)    UploadReport
 *   post(url, fields, sizeBytes)    UploadReport, of a form with fields and a file
 *   parts(urls, sizeBytes)          the ETags of the parts, of which the file is cut into as many
 *   read(url, range)                ReadReport; rejects when the browser refuses the answer
 *   fill(url, fields)               makes the form of the page ready: its file is still to be chosen
 */
const PAGE = `<!doctype html>
<title>another origin</title>
<form id="form" method="post" enctype="multipart/form-data"></form>
<script>
function fileOf(sizeBytes) {
  const bytes = new Uint8Array(sizeBytes)
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i * 31 + (i >> 8)) % 251
  return new File([bytes], 'photo é.bin', { type: 'application/x-photo' })
}
async function digestOf(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
async function send(method, url, headers, body, file) {
  const request = new XMLHttpRequest()
  const progress = []
  request.upload.addEventListener('progress', ({ loaded, total }) => progress.push([loaded, total]))
  request.open(method, url)
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
  await new Promise((resolve) => {
    request.addEventListener('loadend', resolve)
    request.send(body)
  })
  const lines = request.getAllResponseHeaders().trim().split('\\r\\n')
  return {
    status: request.status,
    text: request.responseText,
    headers: Object.fromEntries(lines.map((line) => line.split(/: (.*)/, 2))),
    progress,
    digest: await digestOf(await file.arrayBuffer()),
  }
}
async function put(url, headers, sizeBytes) {
  const file = fileOf(sizeBytes)
  return send('PUT', url, headers, file, file)
}
async function post(url, fields, sizeBytes) {
  const file = fileOf(sizeBytes)
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append('file', file)
  return send('POST', url, {}, form, file)
}
async function parts(urls, sizeBytes) {
  const file = fileOf(sizeBytes)
  const partBytes = Math.ceil(sizeBytes / urls.length)
  const upload = async (url, at) => {
    const body = file.slice(at * partBytes, (at + 1) * partBytes)
    const answer = await fetch(url, { method: 'PUT', body })
    return answer.headers.get('etag')
  }
  return Promise.all(urls.map(upload))
}
async function read(url, range) {
  const headersSent = range === undefined ? {} : { range }
  const answer = await fetch(url, { cache: 'no-store', headers: headersSent })
  const bytes = await answer.arrayBuffer()
  const digest = await digestOf(bytes)
  const headers = Object.fromEntries(answer.headers)
  return { status: answer.status, digest, sizeBytes: bytes.byteLength, headers }
}
function fill(url, fields) {
  const form = document.getElementById('form')
  form.action = url
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement('input')
    Object.assign(input, { type: 'hidden', name, value })
    form.append(input)
  }
  const file = document.createElement('input')
  Object.assign(file, { type: 'file', name: 'file', id: 'file' })
  form.append(file)
}
</script>
`

/** The same page at two origins. */
export interface PageServer {
  readonly origin: string
  readonly otherOrigin: string
  close(): void
}

export async function servePage(): Promise<PageServer> {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8')
    response.end(PAGE)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    otherOrigin: `http://localhost:${port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
