import { expect, it } from 'vitest'
import { grownFailures } from './steady.ts'

const mebi = 1 << 20
const first = { rss: 300 * mebi, anonymous: 100 * mebi, files: 200 }

it('lets mapped pages grow, and memory by a quarter', () => {
  expect(
    grownFailures('mixed', first, { rss: 900 * mebi, anonymous: 125 * mebi, files: 232 }),
  ).toEqual([])
})

it('says what has grown', () => {
  expect(grownFailures('mixed', first, { ...first, anonymous: 126 * mebi })).toEqual([
    'steady: mixed: memory has grown from 100 MiB to 126',
  ])
  expect(grownFailures('mixed', first, { ...first, files: 233 })).toEqual([
    'steady: mixed: open files have grown from 200 to 233',
  ])
})
