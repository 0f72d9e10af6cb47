/** What crosses the port for requests over HTTP whose rights the thread knows. */

import { afterEach, describe, expect, test } from 'vitest'
import { StoreError } from '../../protocol/errors.ts'
import { sendRaw } from '../conformance/world.ts'
import { MemoryBackend } from '../memory/memory-backend.ts'
import type { Backend } from '../port/backend.ts'
import { document, send, user, type Sent } from '../testing/callers.ts'
import { startGateway, type TestGateway } from '../testing/gateway.ts'
import { alteredBackend } from '../testing/http-world.ts'
import { EXAMPLE_CREDENTIAL } from '../testing/requests.ts'
import { contextOf, joinThreads, type Joined } from './testing/joined.ts'
import { rightsOf, type RightsCore } from './testing/rights.ts'

const ann = user('ann', [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }])

let server: TestGateway | undefined
let joined: Joined
let core: RightsCore
let nowMs = 0
/** All calls of the core, in order. */
let crossings: string[]

afterEach(async () => {
  await server?.close()
  server = undefined
  joined.close()
})

/** Joins a thread to a core whose calls are written down. */
function join(changes: Partial<Backend> = {}, keeps = true): Backend {
  crossings = []
  const memory = new MemoryBackend({
    credentials: [EXAMPLE_CREDENTIAL, ann],
    sessions: new Map([['token', ann]]),
    nowMs: () => Date.now(),
  })
  const backend = alteredBackend(memory, changes)
  const watched = new Proxy(backend, {
    get(target, name: keyof Backend) {
      crossings.push(name)
      return target[name]
    },
  })
  core = rightsOf(watched)
  const kept = keeps ? { rights: core.rights, monotonicMs: () => nowMs } : undefined
  joined = joinThreads(watched, kept && { kept })
  return joined.thread
}

async function start(keeps: boolean): Promise<TestGateway> {
  server = await startGateway({
    credentials: [EXAMPLE_CREDENTIAL, ann],
    backend: () => join({}, keeps),
  })
  await sendRaw(server.target, { method: 'PUT', path: '/bucket' })
  return server
}

/** The calls that the core gets for one request of ann's. */
async function crossingsOf(request: Sent): Promise<string[]> {
  crossings = []
  const answer = await send(server!.target, ann, request)
  expect([answer.status, answer.text]).toEqual([200, expect.anything()])
  return crossings
}

const PUT: Sent = { method: 'PUT', path: '/bucket/key', body: [Buffer.alloc(4_096, 1)] }
const GET: Sent = { method: 'GET', path: '/bucket/key' }

describe('a request of 4 KiB', () => {
  test('crosses three times where nothing is kept', async () => {
    await start(false)
    await crossingsOf(PUT)
    expect(await crossingsOf(PUT)).toEqual(['credential', 'bucketAccess', 'putObject'])
    expect(await crossingsOf(GET)).toEqual(['credential', 'bucketAccess', 'getObject'])
  })

  test('crosses once when its caller and its bucket are known', async () => {
    await start(true)
    expect(await crossingsOf(PUT)).toEqual(['credential', 'bucketAccess', 'putObject'])
    expect(await crossingsOf(PUT)).toEqual(['putObject'])
    expect(await crossingsOf(GET)).toEqual(['getObject'])
    nowMs += 1_000
    expect(await crossingsOf(GET)).toEqual(['credential', 'bucketAccess', 'getObject'])
  })

  test('obeys a change that the core has made', async () => {
    await start(true)
    await crossingsOf(GET_ALL)
    const deny = { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::bucket' }
    await sendRaw(server!.target, {
      method: 'PUT',
      path: '/bucket',
      query: [['policy', '']],
      body: [Buffer.from(document(deny))],
    })
    core.forget()
    expect((await send(server!.target, ann, GET_ALL)).status).toBe(403)
  })
})

const GET_ALL: Sent = { method: 'GET', path: '/bucket', query: [['list-type', '2']] }

describe('rights in a thread', () => {
  test('are as old as the core says', async () => {
    const thread = join()
    core.ageMs = 900
    await thread.credential(ann.accessKeyId)
    nowMs += 200
    await thread.credential(ann.accessKeyId)
    expect(core.asked).toEqual(Array.from({ length: 2 }, () => `credential ${ann.accessKeyId}`))
  })

  test('are one object while they are kept, so that policies are compiled once', async () => {
    const thread = join()
    const first = await thread.credential(ann.accessKeyId)
    expect(first).toEqual(ann)
    expect((await thread.credential(ann.accessKeyId))?.identity).toBe(first?.identity)
  })

  test('are kept for keys that do not exist', async () => {
    const thread = join()
    expect(await thread.credential('AKIANOBODY')).toBeUndefined()
    expect(await thread.credential('AKIANOBODY')).toBeUndefined()
    expect(core.asked).toHaveLength(1)
  })

  test('of a session belong to its token', async () => {
    const thread = join()
    await thread.sessionCredential(ann.accessKeyId, 'token')
    expect(await thread.sessionCredential(ann.accessKeyId, 'token')).toEqual(ann)
    expect(core.asked).toHaveLength(1)
    const forged = thread.sessionCredential(ann.accessKeyId, 'forged')
    expect(await forged.catch((error: unknown) => error)).not.toEqual(ann)
    await thread.sessionCredential(`${ann.accessKeyId}to`, 'ken').catch(() => {})
    expect(core.asked).toHaveLength(3)
  })
})

describe('rights of a bucket in a thread', () => {
  test('count rounds for the request that asked, which may end before the others', async () => {
    const read = Promise.withResolvers<void>()
    const thread = join({
      bucketAccess: async (context, name) => {
        context.rounds += 2
        await read.promise
        const info = { name, ownerAccount: '1', createdMs: 0, region: 'r' }
        return { info, settings: {} }
      },
    })
    const [first, second] = [contextOf('GetObject'), contextOf('PutObject')]
    const asked = thread.bucketAccess(first, 'b')
    const joining = thread.bucketAccess(second, 'b')
    first.abort(new Error('gone'))
    await expect(asked).rejects.toThrow('gone')
    read.resolve()
    expect(await joining).toMatchObject({ info: { name: 'b' } })
    expect([core.asked, first.rounds, second.rounds]).toEqual([['access b'], 2, 0])
  })

  test('are the core’s own for a request that changes or deletes the bucket', async () => {
    const thread = join()
    await thread.createBucket(contextOf(), { bucket: 'b', ownerAccount: '1', region: 'r' })
    await thread.bucketAccess(contextOf('GetObject'), 'b')
    await thread.bucketAccess(contextOf('DeleteBucket'), 'b')
    await thread.bucketAccess(contextOf('PutBucketPolicy'), 'b')
    await thread.bucketAccess(contextOf('PutObject'), 'b')
    expect(core.asked).toHaveLength(3)
  })

  test('do not say that there is no bucket after it was created', async () => {
    const thread = join()
    const missing = thread.bucketAccess(contextOf('GetObject'), 'b')
    await expect(missing).rejects.toEqual(new StoreError('NoSuchBucket'))
    await thread.createBucket(contextOf(), { bucket: 'b', ownerAccount: '1', region: 'r' })
    expect(await thread.bucketAccess(contextOf('GetObject'), 'b')).toBeDefined()
  })

  test('are void in every thread as soon as the core forgets', async () => {
    const thread = join()
    await thread.credential(ann.accessKeyId)
    core.forget()
    await thread.credential(ann.accessKeyId)
    expect(core.asked).toHaveLength(2)
  })
})
