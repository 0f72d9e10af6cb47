import { expect, it } from 'vitest'
import { createLogger, prettyLine } from './logger.ts'

function logged(fields: Record<string, unknown>, pretty = false): string {
  let text = ''
  const logger = createLogger({ level: 'info', name: 'n', pretty, write: (line) => (text += line) })
  logger.info(fields, 'said')
  return text
}

it('writes lines of JSON with level, time and fields', () => {
  expect(JSON.parse(logged({ a: 1 }))).toMatchObject({
    level: 'info',
    name: 'n',
    a: 1,
    msg: 'said',
  })
})

it('shows no secrets, at any depth (F37)', () => {
  const circle: Record<string, unknown> = { secretAccessKey: 'S3CRET' }
  circle['self'] = circle
  const text = logged({
    joinToken: 'S3CRET',
    deep: [{ headers: { Authorization: 'S3CRET', cookie: 'S3CRET' } }],
    privateKey: new Uint8Array(3),
    'x-amz-security-token': 'S3CRET',
    circle,
  })
  expect(text).not.toContain('S3CRET')
  expect(text).toContain('said')
})

it('keeps type, message and code of errors', () => {
  const error = Object.assign(new Error('bad'), { code: 'EIO', secret: 'S3CRET' })
  const text = logged({ error })
  expect(JSON.parse(text)).toMatchObject({ error: { type: 'Error', message: 'bad', code: 'EIO' } })
  expect(text).not.toContain('S3CRET')
})

it('writes nothing below the given level', () => {
  let text = ''
  const logger = createLogger({ level: 'warn', pretty: false, write: (line) => (text += line) })
  logger.info({}, 'said')
  logger.warn({}, 'louder')
  expect(text).not.toContain('said')
  expect(text).toContain('louder')
})

it('writes short lines on a terminal, with control characters as text', () => {
  expect(logged({ key: '\u001B[2J', error: new Error('bad') }, true)).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} info {2}n said \(key=\\u001b\[2J error=bad\)\n$/,
  )
  const line = JSON.stringify({ level: 'error', time: '2026-01-01T00:00:00.000Z', msg: 'm' })
  expect(prettyLine(line, false)).toBe('00:00:00.000 error m')
})
