import { expect, test } from 'vitest'
import { AssertionError } from '../../protocol/assert.ts'
import { recovered } from '../../protocol/register/acceptor.ts'
import { assertionText, stopLine } from './failed-assertion.ts'

test('the line says what failed, in which function and where', () => {
  try {
    recovered(undefined, -1)
    expect.unreachable()
  } catch (error) {
    expect(stopLine(error as AssertionError)).toMatch(
      /^assertion failed in recovered \(protocol\/register\/acceptor\.ts:\d+\): a mark is a counter \(A1\)\. This is a bug in Shoal; the node stops so that it writes nothing wrong$/,
    )
  }
})

test.each([
  ['', 'assertion failed: it rises'],
  [
    '\n    at assert (file:///opt/node/node_modules/shoal/dist/protocol/assert.js:3:9)' +
      '\n    at async Log.#write (file:///opt/node/node_modules/shoal/dist/node/log/log.js:12:5)',
    'assertion failed in Log.#write (node/log/log.js:12): it rises',
  ],
  ['\n    at /work/gateway/s3/x.ts:7:1', 'assertion failed in gateway/s3/x.ts:7: it rises'],
  ['\n    at <anonymous>', 'assertion failed: it rises'],
])('from the stack %j', (stack, text) => {
  const failed = new AssertionError('it rises')
  failed.stack = `AssertionError: it rises${stack}`
  expect(assertionText(failed)).toBe(text)
})
