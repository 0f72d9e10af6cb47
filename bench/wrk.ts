/**
 * Debian's wrk, replaying requests presigned beforehand by a generated Lua script. The summary comes from
 * wrk's own `done` hook as one line of JSON; any answer outside 2xx and 3xx, any failed connection and any
 * time-out makes the whole figure invalid.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './harness/process.ts'

export interface WrkInput {
  readonly directory: string
  readonly name: string
  readonly endpoint: string
  readonly method: 'GET' | 'PUT'
  /** Made by `writeReplay`. */
  readonly replayFile: string
  /** Bytes of each PUT's body, which is kept once, in Lua's memory. */
  readonly bodyBytes: number
  readonly connections: number
  readonly seconds: number
}

export interface WrkResult {
  readonly requests: number
  readonly seconds: number
  readonly perSecond: number
  readonly bytesRead: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * The Lua script. The targets stay one long string of lines of one width: a table of 100,000 strings makes
 * Lua's collector pause wrk, which then shows as the server's latency.
 */
export function luaScript(input: WrkInput): string {
  const host = new URL(input.endpoint).host
  return `local file = io.open(${JSON.stringify(input.replayFile)}, 'rb')
local lines = file:read('*a')
file:close()
local width = lines:find('\\n', 1, true)
local count = #lines / width
local body = ''
if ${input.bodyBytes} > 0 then
  file = io.open(${JSON.stringify(bodyFile(input))}, 'rb')
  body = file:read('*a')
  file:close()
end
local rest = ' HTTP/1.1\\r\\nHost: ${host}\\r\\n'
if '${input.method}' == 'PUT' then rest = rest .. 'Content-Length: ' .. #body .. '\\r\\n' end
rest = rest .. '\\r\\n' .. body
local next = 0
function request()
  local at = next * width
  next = (next + 1) % count
  return '${input.method} ' .. lines:sub(at + 1, at + width - 1) .. rest
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"durationUs":%d,"bytes":%d,"p50Us":%d,"p99Us":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
`
}

function bodyFile(input: WrkInput): string {
  return join(input.directory, `${input.name}.body`)
}

/** Reads wrk's output. Throws when a request failed or nothing was measured. */
export function parseWrk(output: string): WrkResult {
  const line = /^RESULT (\{.*\})$/m.exec(output)?.[1]
  if (line === undefined) throw new Error(`wrk gave no result:\n${output}`)
  const parsed = JSON.parse(line) as Record<string, number>
  const get = (name: string): number => {
    const value = parsed[name]
    if (typeof value !== 'number') throw new Error(`wrk gave no ${name}`)
    return value
  }
  const failed = ['connect', 'read', 'write', 'status', 'timeout'].filter((name) => get(name) > 0)
  if (failed.length > 0) {
    throw new Error(`wrk: ${failed.map((name) => `${get(name)} ${name} errors`).join(', ')}`)
  }
  const seconds = get('durationUs') / 1e6
  const requests = get('requests')
  if (requests === 0) throw new Error('wrk: not one request was answered')
  return {
    requests,
    seconds,
    perSecond: requests / seconds,
    bytesRead: get('bytes'),
    p50Ms: get('p50Us') / 1000,
    p99Ms: get('p99Us') / 1000,
  }
}

/** One run of wrk with one thread. Rejects when any request failed. */
export async function wrk(input: WrkInput, body?: Uint8Array): Promise<WrkResult> {
  const script = join(input.directory, `${input.name}.lua`)
  writeFileSync(script, luaScript(input))
  if (body !== undefined) writeFileSync(bodyFile(input), body)
  const { stdout } = await runCommand(
    'wrk',
    [
      '-t1',
      `-c${input.connections}`,
      `-d${input.seconds}s`,
      '--timeout',
      '20s',
      '--latency',
    ].concat(['-s', script, input.endpoint]),
    { timeoutMs: input.seconds * 1000 + 60_000 },
  )
  return parseWrk(stdout)
}
