import { expect, test } from 'vitest'
import { isCurrent } from './s3-model.ts'

test("gateway/http/documented.ts says what AWS's model says (node .config/s3-model.ts)", async () => {
  expect(await isCurrent()).toBe(true)
})
