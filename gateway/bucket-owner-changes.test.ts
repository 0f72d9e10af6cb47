/** Requests on a bucket that is deleted, or gets another owner, after the caller's right was decided. */

import { describe, expect, test } from 'vitest'
import type { RequestContext } from '../protocol/context.ts'
import { sendRaw } from './conformance/world.ts'
import type { MemoryBackend } from './memory/memory-backend.ts'
import type { Backend } from './port/backend.ts'
import { OTHER_ACCOUNT } from './testing/callers.ts'
import { alteredBackend, gatewayForEachTest } from './testing/http-world.ts'
import { contextOf } from './threads/testing/joined.ts'

const start = gatewayForEachTest()

/** Runs after the next read that a decision needs. */
let afterDecision: ((context: RequestContext) => Promise<void>) | undefined
let memory: MemoryBackend

function altered(backend: MemoryBackend): Backend {
  memory = backend
  return alteredBackend(backend, {
    bucketAccess: async (context, bucket) => {
      const known = await backend.bucketAccess(context, bucket)
      const run = afterDecision
      afterDecision = undefined
      await run?.(context)
      return known
    },
  })
}

const VERSIONING = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
const OWNERSHIP =
  '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>'

test.each([
  ['DELETE', undefined, ''],
  ['PUT', 'versioning', VERSIONING],
  ['PUT', 'ownershipControls', OWNERSHIP],
  ['DELETE', 'ownershipControls', ''],
  ['DELETE', 'policy', ''],
  ['DELETE', 'publicAccessBlock', ''],
  ['DELETE', 'tagging', ''],
  ['DELETE', 'cors', ''],
  ['DELETE', 'website', ''],
  ['DELETE', 'lifecycle', ''],
  ['DELETE', 'encryption', ''],
] as const)('%s ?%s leaves the bucket of the next owner alone', async (method, mark, text) => {
  const { target } = await start({ backend: altered })
  expect((await sendRaw(target, { method: 'PUT', path: '/passed-on' })).status).toBe(200)
  afterDecision = async (context) => {
    await memory.deleteBucket(context, 'passed-on')
    const region = 'us-east-1'
    const request = { bucket: 'passed-on', ownerAccount: OTHER_ACCOUNT, region }
    await memory.createBucket(context, request)
    afterDecision = undefined
  }
  const answer = await sendRaw(target, {
    method,
    path: '/passed-on',
    query: mark === undefined ? [] : [[mark, '']],
    body: text === '' ? [] : [Buffer.from(text)],
  })
  expect([answer.status, answer.code]).toEqual([409, 'OperationAborted'])
  const { info, settings } = await memory.bucketAccess(contextOf(), 'passed-on')
  expect([info.ownerAccount, settings]).toEqual([OTHER_ACCOUNT, {}])
})

describe('CreateBucket of a bucket that the caller already has', () => {
  /** Deletes the bucket when a creation has said that it is there. `then` runs after that. */
  function deletedOnce(then?: (backend: MemoryBackend) => Promise<unknown>) {
    let left = 1
    return (backend: MemoryBackend): Backend =>
      alteredBackend(backend, {
        createBucket: async (context, request) => {
          try {
            return await backend.createBucket(context, request)
          } catch (error) {
            if (left-- > 0) {
              await backend.deleteBucket(context, request.bucket)
              await then?.(backend)
            }
            throw error
          }
        },
      })
  }
  const create = { method: 'PUT', path: '/again' }

  test('creates it when it is deleted meanwhile', async () => {
    const { target, backend } = await start({ backend: deletedOnce() })
    expect((await sendRaw(target, create)).status).toBe(200)
    expect((await sendRaw(target, create)).status).toBe(200)
    expect((await backend.headBucket(contextOf(), 'again')).name).toBe('again')
  })

  test('is refused when another account has it meanwhile', async () => {
    const region = 'us-east-1'
    const taken = { bucket: 'again', ownerAccount: OTHER_ACCOUNT, region }
    const altering = deletedOnce((store) => store.createBucket(contextOf(), taken))
    const { target } = await start({ backend: altering })
    expect((await sendRaw(target, create)).status).toBe(200)
    expect((await sendRaw(target, create)).code).toBe('BucketAlreadyExists')
  })
})
