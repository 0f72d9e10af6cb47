/**
 * Debian's wrk, replaying requests presigned beforehand by a generated Lua script. The summary comes from
 * wrk's own `done` hook as one line of JSON; any answer outside 2xx and 3xx, any failed connection and any
 * time-out makes the whole figure invalid.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './harness/process.ts'

export interface WrkStream {
  readonly method: 'GET' | 'PUT'
  /** Made by `writeReplay`. */
  readonly replayFile: string
  /** Of each PUT. It is kept once, in Lua's memory. */
  readonly body?: Uint8Array
}

export interface WrkInput {
  readonly directory: string
  readonly name: string
  readonly endpoint: string
  readonly streams: readonly WrkStream[]
  /** The stream of each request by its index, again and again. */
  readonly pattern: readonly number[]
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
  const streams = input.streams.map(
    ({ method, replayFile }, index) =>
      `stream('${method}', ${JSON.stringify(replayFile)}, ${JSON.stringify(bodyFile(input, index))})`,
  )
  return `local function read(name)
  local file = io.open(name, 'rb')
  local bytes = file:read('*a')
  file:close()
  return bytes
end
local function stream(method, replay, bodyName)
  local lines = read(replay)
  local width = lines:find('\\n', 1, true)
  local rest = ' HTTP/1.1\\r\\nHost: ${host}\\r\\n'
  local body = ''
  if method == 'PUT' then
    body = read(bodyName)
    rest = rest .. 'Content-Length: ' .. #body .. '\\r\\n'
  end
  return { head = method .. ' ', lines = lines, width = width, count = #lines / width,
    rest = rest .. '\\r\\n' .. body, next = 0 }
end
local streams = { ${streams.join(', ')} }
local pattern = { ${input.pattern.map((index) => index + 1).join(', ')} }
local turn = 0
function request()
  turn = turn % #pattern + 1
  local s = streams[pattern[turn]]
  local at = s.next * s.width
  s.next = (s.next + 1) % s.count
  return s.head .. s.lines:sub(at + 1, at + s.width - 1) .. s.rest
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

function bodyFile(input: WrkInput, index: number): string {
  return join(input.directory, `${input.name}-${index}.body`)
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
export async function wrk(input: WrkInput): Promise<WrkResult> {
  const script = join(input.directory, `${input.name}.lua`)
  writeFileSync(script, luaScript(input))
  for (const [index, { body }] of input.streams.entries()) {
    if (body !== undefined) writeFileSync(bodyFile(input, index), body)
  }
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
