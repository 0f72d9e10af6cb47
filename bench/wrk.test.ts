import { describe, expect, it } from 'vitest'
import { luaScript, parseWrk } from './wrk.ts'

const good =
  'Running 8s test\nRESULT {"requests":8000,"durationUs":8000000,"bytes":123,"p50Us":5200,' +
  '"p99Us":9100,"connect":0,"read":0,"write":0,"status":0,"timeout":0}\n'

describe('parseWrk', () => {
  it('reads the line of the done hook', () => {
    expect(parseWrk(good)).toEqual({
      requests: 8000,
      seconds: 8,
      perSecond: 1000,
      bytesRead: 123,
      p50Ms: 5.2,
      p99Ms: 9.1,
    })
  })

  it.each(['connect', 'read', 'write', 'status', 'timeout'])('refuses %s errors', (name) => {
    expect(() => parseWrk(good.replace(`"${name}":0`, `"${name}":3`))).toThrow(`3 ${name} errors`)
  })

  it('refuses an output without a result and one without requests', () => {
    expect(() => parseWrk('unable to connect')).toThrow('no result')
    expect(() => parseWrk(good.replace('"requests":8000', '"requests":0'))).toThrow(
      'not one request',
    )
    expect(() => parseWrk(good.replace('"p99Us":9100,', ''))).toThrow('no p99Us')
  })
})

describe('luaScript', () => {
  const input = {
    directory: '/d',
    name: 'main',
    endpoint: 'http://127.0.0.1:9000',
    streams: [
      { method: 'GET', replayFile: '/d/get.replay' },
      { method: 'PUT', replayFile: '/d/put.replay', body: new Uint8Array(4096) },
    ],
    pattern: [0, 0, 1],
    connections: 64,
    seconds: 8,
  } as const

  it('has a stream for each replay, and sends them by the pattern', () => {
    const script = luaScript(input)
    expect(script).toContain(`stream('GET', "/d/get.replay", "/d/main-0.body")`)
    expect(script).toContain(`stream('PUT', "/d/put.replay", "/d/main-1.body")`)
    expect(script).toContain('local pattern = { 1, 1, 2 }')
    expect(script).toContain('Host: 127.0.0.1:9000\\r\\n')
  })
})
