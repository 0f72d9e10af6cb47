/** Calls that are banned where they would make a run differ, change a request's bytes or wait. */

import { describe, expect, it } from 'vitest'
import { isTest } from '../source.ts'
import { findings, production, sources } from './checkout.ts'

describe('calls that are not deterministic', () => {
  const banned = new RegExp(
    [
      String.raw`\bDate\.now\b`,
      String.raw`\bnew Date\(\s*\)`,
      String.raw`\bMath\.random\b`,
      String.raw`\bset(Timeout|Interval|Immediate)\s*\(`,
      String.raw`\bglobalThis\s*\.\s*(set\w+|Date|Math|performance|crypto)`,
      String.raw`\brandomUUID\b`,
      String.raw`\bgetRandomValues\b`,
      String.raw`\bperformance\.(now|timeOrigin)\b`,
      String.raw`\bprocess\.(hrtime|uptime)\b`,
      String.raw`\bAbortSignal\.timeout\b`,
      String.raw`timers/promises|node:timers|node:perf_hooks`,
      String.raw`\brandom(Bytes|Int|Fill)(Sync)?\b.*from 'node:crypto'`,
    ].join('|'),
  )

  it('are in the adapters of node/env/ and node/net/ only', () => {
    const where = production.filter(({ path }) => !/^node\/(env|net)\//.test(path))
    expect(findings(where, banned)).toEqual([])
  })

  it('are not in the simulation, because a seed must give the same run', () => {
    const where = sources.filter(
      ({ path }) =>
        path.startsWith('sim/') &&
        !/^sim\/(e2e|repository)\/|(^|\/|-)main\.ts$/.test(path) &&
        !isTest(path),
    )
    // The virtual clock uses it to let promises run before it moves on. It gives an order, not a time.
    const found = findings(where, banned).filter((line) => !line.includes('setImmediate('))
    expect(found).toEqual([])
  })

  it('are found by the pattern', () => {
    const bad = [
      'const at = Date.now()',
      'const at = new Date( )',
      'globalThis.setTimeout(run, 5)',
      'setInterval(run, 5)',
      "import { randomBytes } from 'node:crypto'",
      'AbortSignal.timeout(5)',
      'performance.now()',
    ]
    expect(bad.filter((line) => !banned.test(line))).toEqual([])
    const good = ['new Date(ms)', 'clock.nowMs()', 'randomBytes: (count) => random.bytes(count)']
    expect(good.filter((line) => banned.test(line))).toEqual([])
  })
})

describe('connections to others', () => {
  const opens = new RegExp(
    [
      String.raw`\b(request|get|connect|createConnection)\b[^'\n]*from 'node:(net|http|https|http2|tls)'`,
      String.raw`from\s'(node:(dns|dgram|http2)|node:dns/promises|undici)'`,
      // A server is no connection to another.
      String.raw`^(?!import \{ createServer\b).*from\s'node:https'`,
      String.raw`(?<![\w.#])fetch\(\s*['"\`\w]*(url|http|address)`,
      String.raw`\bnew (WebSocket|EventSource)\b`,
    ].join('|'),
    'i',
  )

  it('are opened by node/net to peers and webhooks, and by the CLI to the node itself', () => {
    const where = production.filter(({ path }) => !/^node\/(net|cli)\//.test(path))
    expect(findings(where, opens)).toEqual([])
  })

  it('are found by the pattern', () => {
    const bad = [
      "import { request } from 'node:http'",
      "import { connect, type Socket } from 'node:net'",
      "import { lookup } from 'node:dns/promises'",
      "import https from 'node:https'",
      "import { createServer, request } from 'node:https'",
      'await fetch(url)',
      'fetch(`http://${host}/`)',
    ]
    expect(bad.filter((line) => !opens.test(line))).toEqual([])
    const good = [
      "import { createServer, type IncomingMessage } from 'node:http'",
      "import { createServer as createTlsServer } from 'node:https'",
      "import type { Socket } from 'node:net'",
      'options.fetch(piece.key)',
    ]
    expect(good.filter((line) => opens.test(line))).toEqual([])
  })
})

describe('texts of a request', () => {
  const banned = new RegExp(
    [
      String.raw`\.(trim(Start|End)?|normalize|to(Locale)?(Lower|Upper)Case|localeCompare)\(`,
      String.raw`\bDate\.parse\b`,
      String.raw`\bparse(Int|Float)\b`,
      String.raw`\\[sS]`,
    ].join('|'),
  )

  it('are read by gateway/http/ascii.ts and gateway/http/http-date.ts, because JavaScript would change their bytes', () => {
    const where = production.filter(
      ({ path }) => /^gateway\/(?!conformance|http\/ascii\.ts)/.test(path) && !isTest(path),
    )
    expect(where.length).toBeGreaterThan(50)
    expect(findings(where, banned)).toEqual([])
  })

  it('are found by the pattern', () => {
    const bad = [
      'text.trim()',
      'name.toLowerCase()',
      'a.localeCompare(b)',
      "text.normalize('NFC')",
      'text.split(/\\s+/)',
      'Number.parseInt(text, 16)',
      'Date.parse(text)',
    ]
    expect(bad.filter((line) => !banned.test(line))).toEqual([])
    const good = ['trim(text)', 'lowerCase(name)', 'text.split(/[ \\t]+/)', 'parseHttpDate(text)']
    expect(good.filter((line) => banned.test(line))).toEqual([])
  })
})

describe('protocol/', () => {
  it('is synchronous: no promises', () => {
    const where = production.filter(
      // The native hash is chosen when the module is loaded.
      ({ path }) => path.startsWith('protocol/') && path !== 'protocol/hash.ts',
    )
    expect(findings(where, /\basync\b|\bawait\b|\bPromise\b/)).toEqual([])
  })
})
