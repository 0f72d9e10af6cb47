import { describe, expect, it } from 'vitest'
import { LineSender, writeLines, type ThreadLine } from './thread-lines.ts'

/** A thread and a core; `turn` ends a turn of the thread's event loop. */
function joined() {
  let after: (() => void)[] = []
  const posted: { lines: readonly ThreadLine[]; size: number }[] = []
  const sender = new LineSender({
    post: (lines, size) => void posted.push({ lines, size }),
    afterTurn: (run) => void after.push(run),
  })
  const written: unknown[] = []
  const log = (level: string) => (fields: unknown, message: string) =>
    void written.push([level, fields, message])
  const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const turn = (): void => after.splice(0).forEach((run) => run())
  /** The core takes everything that was posted. */
  const take = (): void => {
    for (const { lines, size } of posted.splice(0)) {
      writeLines(lines, { logger, accessLog: (line) => void written.push(line) }, () => 0)
      sender.taken(size)
    }
  }
  return { sender, posted, written, turn, take }
}

describe('lines of a gateway thread', () => {
  it('leave once in a turn, in order, without secrets', () => {
    const { sender, posted, written, turn, take } = joined()
    const logger = sender.logger('info')
    logger.debug({}, 'not wanted')
    logger.warn({ error: new TypeError('oh'), sessionToken: 'x', big: 7n }, 'first')
    sender.access('{"id":"1"}\n')
    logger.error({}, 'last')
    expect(posted).toEqual([])
    turn()
    expect(posted).toHaveLength(1)
    take()
    const error = expect.objectContaining({ type: 'TypeError', message: 'oh' })
    expect(written).toEqual([
      ['warn', { error, sessionToken: '[redacted]', big: '7' }, 'first'],
      '{"id":"1"}\n',
      ['error', {}, 'last'],
    ])
  })

  it('are lost and counted while the core has not taken a megabyte', () => {
    const { sender, posted, written, turn, take } = joined()
    const line = `${'x'.repeat(999)}\n`
    for (let sent = 0; sent < 3_000; sent++) {
      sender.access(line)
      turn()
    }
    sender.logger('info').warn({}, 'no room')
    // Small lines may still fit; these are as large as the rest.
    const kept = posted.length
    expect(kept * line.length).toBeLessThanOrEqual(2 ** 20)
    expect(kept).toBeGreaterThan(900)
    take()
    expect(written).toHaveLength(kept)
    sender.access(line)
    turn()
    take()
    expect(written.slice(kept)).toContain(
      `{"time":"1970-01-01T00:00:00.000Z","lost":${3_000 - kept}}\n`,
    )
  })
})
