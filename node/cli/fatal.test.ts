import { describe, expect, it } from 'vitest'
import { AssertionError } from '../../protocol/assert.ts'
import { UsageError } from '../tools/usage-error.ts'
import { describeError, exitCodeOf } from './fatal.ts'

function systemError(fields: Record<string, unknown>, message = 'x'): Error {
  return Object.assign(new Error(message), fields)
}

describe('an error is one line', () => {
  it.each([
    [new UsageError('say it so'), 'say it so'],
    [
      systemError({ code: 'EADDRINUSE', address: '127.0.0.1', port: 9000 }),
      'address 127.0.0.1:9000 is already in use by another process',
    ],
    [
      systemError({ code: 'EADDRINUSE', address: '::', port: 9000 }),
      'address [::]:9000 is already in use by another process',
    ],
    [
      new Error(
        '/ip4/127.0.0.1/tcp/9002: Error: listen EADDRINUSE: address already in use 127.0.0.1:9002',
      ),
      'address 127.0.0.1:9002 is already in use by another process',
    ],
    [
      systemError({ code: 'EACCES', port: 80, address: '0.0.0.0' }),
      'permission denied for address 0.0.0.0:80',
    ],
    [systemError({ code: 'EACCES', path: '/root/x' }), 'permission denied (/root/x)'],
    [systemError({ code: 'ENOSPC', path: '/d/log' }), 'the disk is full (/d/log)'],
    [systemError({ code: 'EROFS' }), 'the disk is read-only'],
    [new Error('first\nat second'), 'first'],
    [new TypeError(''), 'TypeError'],
    ['text', 'text'],
    [undefined, 'undefined'],
  ])('%s', (error, line) => expect(describeError(error)).toBe(line))

  it('that says where an assertion failed', () => {
    expect(describeError(new AssertionError('it rises'))).toMatch(
      /^assertion failed in .*node\/cli\/fatal\.test\.ts.*:\d+: it rises\. This is a bug in Shoal$/,
    )
  })

  it('that names the cause which helps', () => {
    const full = systemError({ code: 'ENOSPC' })
    expect(describeError(new Error('start failed', { cause: full }))).toBe('the disk is full')
    expect(describeError(new AggregateError([new Error('a'), full], 'all'))).toBe(
      'the disk is full',
    )
  })

  it('even if it holds nothing useful', () => {
    const circle = new Error('round')
    circle.cause = circle
    expect(describeError(circle)).toBe('round')
    expect(describeError(new Error('\u001B[2Jx'))).toBe('\\u001b[2Jx')
    expect(describeError(new Error('y'.repeat(9_999))).length).toBe(500)
  })
})

it('the exit code is 2 for wrong use, 70 for a bug and 1 for a failure', () => {
  expect(exitCodeOf(new AssertionError(''))).toBe(70)
  expect(exitCodeOf(new UsageError(''))).toBe(2)
  expect(exitCodeOf(new Error(''))).toBe(1)
})
