import { afterEach, describe, expect, test } from 'vitest'
import { OverloadedError, ReplacedError, StoreError } from '../../protocol/errors.ts'
import type { StoreErrorCode } from '../../protocol/errors.ts'
import { MemoryBackend } from '../memory/memory-backend.ts'
import type { Backend } from '../port/backend.ts'
import { alteredBackend } from '../testing/http-world.ts'
import { EXAMPLE_CREDENTIAL } from '../testing/requests.ts'
import { contextOf, joinThreads, NO_HEADERS, turns, type Joined } from './testing/joined.ts'
import { ForeignError } from './wire-errors.ts'

const CODES: Record<StoreErrorCode, true> = {
  NoSuchBucket: true,
  BucketAlreadyExists: true,
  BucketAlreadyOwnedByYou: true,
  BucketNotEmpty: true,
  TooManyBuckets: true,
  NoSuchKey: true,
  NoSuchVersion: true,
  IsDeleteMarker: true,
  InvalidBucketState: true,
  ObjectLocked: true,
  ExpiredToken: true,
  InvalidToken: true,
  NoSuchUpload: true,
  InvalidPart: true,
  InvalidPartOrder: true,
  EntityTooSmall: true,
  EntityTooLarge: true,
  PreconditionFailed: true,
  QuotaExceeded: true,
  TokenMismatch: true,
  Conflict: true,
  Unavailable: true,
  InsufficientStorage: true,
  DataLost: true,
  NoSuchEncryptionKey: true,
  EncryptionKeyDisabled: true,
}

let joined: Joined | undefined
afterEach(() => joined?.close())

function join(changes: Partial<Backend> = {}): Joined {
  let nowMs = 0
  const memory = new MemoryBackend({ credentials: [EXAMPLE_CREDENTIAL], nowMs: () => ++nowMs })
  joined = joinThreads(alteredBackend(memory, changes))
  return joined
}

async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  )
}

const bucket = { bucket: 'b', ownerAccount: '1', region: 'r' }

describe('errors', () => {
  test('of the store keep class, code, text and details', async () => {
    let next: Error = new Error('none')
    const { thread } = join({ bucketAccess: () => Promise.reject(next) })
    const pass = (error: Error): Promise<unknown> => {
      next = error
      return errorOf(thread.bucketAccess(contextOf(), 'b'))
    }
    for (const code of Object.keys(CODES) as StoreErrorCode[]) {
      const sent = new StoreError(code, `about ${code}`, { PartNumber: 3, Name: 'ü' })
      const got = (await pass(sent)) as StoreError
      expect(got).toBeInstanceOf(StoreError)
      expect([got.code, got.message, got.details]).toEqual([code, sent.message, sent.details])
    }
    expect(await pass(new OverloadedError('busy'))).toEqual(new OverloadedError('busy'))
    expect(await pass(new OverloadedError('busy'))).toBeInstanceOf(OverloadedError)
    expect(await pass(new ReplacedError())).toBeInstanceOf(ReplacedError)
  })

  test('that are bugs keep name, text and stack, also when they are thrown at once', async () => {
    const { thread } = join({
      headBucket: () => {
        throw new TypeError('secret')
      },
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- what a bug may do
      deleteBucket: () => Promise.reject('text'),
    })
    const got = (await errorOf(thread.headBucket(contextOf(), 'b'))) as Error
    expect(got).toBeInstanceOf(ForeignError)
    expect([got.name, got.message]).toEqual(['TypeError', 'secret'])
    expect(got.stack).toContain('calls.test.ts')
    expect(String(await errorOf(thread.deleteBucket(contextOf(), 'b')))).toBe('Error: text')
  })

  test('of what cannot be copied fail their own call only', async () => {
    const { thread } = join({
      listBuckets: () => Promise.resolve({ buckets: [], next: (() => {}) as never }),
    })
    const request = { ownerAccount: '1', prefix: '', limit: 5 }
    const calls = [
      errorOf(thread.createBucket(contextOf(), { ...bucket, extra: () => {} } as never)),
      errorOf(thread.listBuckets(contextOf(), request)),
      thread.createBucket(contextOf(), bucket),
      thread.credential(EXAMPLE_CREDENTIAL.accessKeyId),
    ]
    const [refused, unsent, created, found] = await Promise.all(calls)
    expect((refused as Error).name).toBe('DataCloneError')
    expect((unsent as Error).name).toBe('DataCloneError')
    expect(created).toMatchObject({ name: 'b' })
    expect(found).toEqual(EXAMPLE_CREDENTIAL)
  })
})

describe('the context of a request', () => {
  test('names the operation to the core, and gets the rounds', async () => {
    const seen: string[] = []
    const { thread } = join({
      bucketAccess: (context) => {
        seen.push(context.operation)
        context.rounds += 2
        return Promise.reject(new StoreError('NoSuchBucket'))
      },
    })
    const context = contextOf('GetObject')
    context.rounds = 1
    await errorOf(thread.bucketAccess(context, 'b'))
    await errorOf(thread.bucketAccess(context, 'b'))
    expect([seen, context.rounds]).toEqual([['GetObject', 'GetObject'], 5])
  })

  test('aborts the call in the core, and the caller gets the reason of its own signal', async () => {
    const reasons: unknown[] = []
    const { thread, core } = join({
      headBucket: (context) =>
        new Promise((_, reject) => {
          context.signal.addEventListener('abort', () => {
            reasons.push(context.signal.reason)
            reject(context.signal.reason as Error)
          })
        }),
    })
    const context = contextOf()
    const call = errorOf(thread.headBucket(context, 'b'))
    await turns()
    const reason = new RangeError('request aborted: deadline')
    context.abort(reason)
    expect(await call).toBe(reason)
    expect(reasons.map(String)).toEqual(['RangeError: request aborted: deadline'])
    expect([thread.inFlight, core.inFlight]).toEqual([0, 0])
  })

  test('that is aborted before the call, or before the core looks, or after it, is obeyed or ignored', async () => {
    const { thread, posted } = join()
    const [before, sent, after] = [contextOf(), contextOf(), contextOf()]
    before.abort('gone')
    expect(await errorOf(thread.headBucket(before, 'b'))).toBe('gone')
    expect(posted.thread).toBe(0)
    const call = errorOf(thread.createBucket(sent, bucket))
    sent.abort('late')
    // The core had begun when it learnt of it: its answer counts.
    expect(await call).toBeUndefined()
    await thread.headBucket(after, 'b')
    const sentSoFar = posted.thread
    after.abort()
    await turns()
    expect(posted.thread).toBe(sentSoFar)
  })
})

describe('calls', () => {
  test('of one turn leave in one message, and so do their answers', async () => {
    const { thread, posted } = join()
    await thread.createBucket(contextOf(), bucket)
    const before = { ...posted }
    await Promise.all(Array.from({ length: 100 }, () => thread.headBucket(contextOf(), 'b')))
    expect([posted.thread - before.thread, posted.core - before.core]).toEqual([1, 1])
  })

  test('carry maps, lists, what is undefined, and names that objects have of themselves', async () => {
    const asked: unknown[] = []
    const { thread } = join({
      principalIds: (_, arns) => Promise.resolve(new Map(arns.map((arn) => [arn, 'AIDA']))),
      changeBucket: (_, request) => Promise.resolve(void asked.push(request)),
    })
    const ids = await thread.principalIds(contextOf(), ['arn:a'])
    expect([...ids]).toEqual([['arn:a', 'AIDA']])
    await thread.changeBucket(contextOf(), { bucket: 'b', change: { policy: null } })
    expect(asked).toEqual([{ bucket: 'b', change: { policy: null } }])
    await thread.createBucket(contextOf(), bucket)
    const user = Object.assign(Object.create(null) as Record<string, string>, { constructor: 'x' })
    Object.defineProperty(user, '__proto__', { value: 'y', enumerable: true })
    const { uploadId } = await thread.createUpload(contextOf(), {
      bucket: 'b',
      key: '\ud800k',
      headers: { ...NO_HEADERS, user },
    })
    const upload = await thread.getUpload(contextOf(), { bucket: 'b', key: '\ud800k', uploadId })
    expect(Object.getPrototypeOf(upload.user)).toBeNull()
    expect(Object.entries(upload.user)).toEqual([
      ['constructor', 'x'],
      ['__proto__', 'y'],
    ])
  })

  test('fail with Unavailable when the core is gone', async () => {
    const { thread, core } = join({ headBucket: () => new Promise(() => {}) })
    const call = errorOf(thread.headBucket(contextOf(), 'b'))
    await turns()
    core.close()
    expect(await call).toMatchObject({ code: 'Unavailable' })
    expect(await errorOf(thread.headBucket(contextOf(), 'b'))).toMatchObject({
      code: 'Unavailable',
    })
  })
})
