/** Who signed a request and what they may do, by records that are less than a second old (T7). */

import { describe, expect, test } from 'vitest'
import type { Credential } from '../../gateway/port/identity.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { AccessKeyRecord } from '../../protocol/iam/access-key-record.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import { SimulatedTokenSigner } from '../world/tokens.ts'
import type { RecordKind, Records } from '../../node/iam/records.ts'
import { ACCESS_KEY, byId, GROUP, USER } from '../../node/iam/records.ts'
import { Resolver, rootIdentity } from '../../node/iam/resolve.ts'
import { encryptSecret } from '../../node/layout/secret-encryption.ts'
import { Sessions } from '../../node/iam/sessions.ts'

const ACCOUNT = '100000000001'
const SECRET = new Uint8Array(32).fill(7)
const KEY = 'AKIAAAAAAAAAAAAAAAAA'
const USER_ID = 'AIDAAAAAAAAAAAAAAAAAA'
const GROUP_ID = 'AGPAAAAAAAAAAAAAAAAAA'

const key: AccessKeyRecord = {
  accessKeyId: KEY,
  accountId: ACCOUNT,
  userId: USER_ID,
  sealedSecret: encryptSecret(SECRET, new Uint8Array(12), 'the secret'),
  status: 'Active',
  createdMs: 0,
}
const user: UserRecord = {
  accountId: ACCOUNT,
  id: USER_ID,
  name: 'ann',
  path: '/',
  renaming: '',
  createdMs: 0,
  policies: [{ name: 'p', text: 'one' }],
  attached: [],
  groups: [{ id: GROUP_ID, token: '0'.repeat(16) }],
  accessKeys: [KEY],
  tags: [],
}
const group = {
  accountId: ACCOUNT,
  id: GROUP_ID,
  name: 'team',
  path: '/',
  renaming: '',
  createdMs: 0,
  policies: [{ name: 'g', text: 'of the group' }],
  attached: [],
  members: [],
}

function world() {
  const time = { ms: 10_000 }
  const stored = new Map<string, unknown>()
  const put = <T>(kind: RecordKind<T>, name: string, value: T | undefined): void => {
    stored.set(`${kind.space} ${name}`, value)
  }
  put(ACCESS_KEY, KEY, key)
  put(USER, byId(ACCOUNT, USER_ID), user)
  put(GROUP, byId(ACCOUNT, GROUP_ID), group as never)
  const reads: string[] = []
  /** Milliseconds that each read takes; it sees what is stored when it begins. */
  const network = { delayMs: 0, cut: false }
  const gossip: Uint8Array[] = []
  let hear: (bytes: Uint8Array) => void = () => {}
  const records: Pick<Records, 'read'> = {
    read: async (_context, kind, name) => {
      reads.push(`${kind.space} ${name}`)
      const value = stored.get(`${kind.space} ${name}`)
      time.ms += network.delayMs
      await Promise.resolve()
      if (network.cut) throw new StoreError('Unavailable')
      return value as never
    },
  }
  const clock = {
    nowMs: () => 1_000_000 + time.ms,
    monotonicMs: () => time.ms,
    after: () => () => {},
  }
  const sessions = new Sessions({
    tokens: new SimulatedTokenSigner(),
    clock,
    random: { bytes: (count) => new Uint8Array(count).fill(3) },
    cluster: () => ({ id: 'c'.repeat(32), secret: SECRET }),
  })
  const root: Credential = {
    accessKeyId: 'ROOT',
    secretAccessKey: 'root',
    identity: rootIdentity(ACCOUNT),
  }
  const resolver = new Resolver({
    records,
    sessions,
    clock,
    network: {
      publish: (_topic, bytes) => void gossip.push(bytes),
      subscribe: (_topic, listener) => {
        hear = (bytes) => listener('' as never, bytes)
      },
    },
    root: () => root,
    cluster: () => ({ secret: SECRET }),
  })
  const texts = async (): Promise<string[] | undefined> =>
    (await resolver.credential(KEY))?.identity.policies.map(({ text }) => text)
  return { time, put, reads, network, gossip, resolver, texts, hear: (b: Uint8Array) => hear(b) }
}

/** Waits until background reads have ended. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}

describe('a key of a user', () => {
  test('is put together of key, user, groups', async () => {
    const { resolver, reads } = world()
    expect(await resolver.credential(KEY)).toEqual({
      accessKeyId: KEY,
      secretAccessKey: 'the secret',
      identity: {
        accountId: ACCOUNT,
        principalArn: `arn:aws:iam::${ACCOUNT}:user/ann`,
        principalId: USER_ID,
        userName: 'ann',
        type: 'User',
        isRoot: false,
        policies: [
          { name: 'user/ann/p', text: 'one' },
          { name: 'group/team/g', text: 'of the group' },
        ],
      },
    })
    expect(reads).toHaveLength(3)
    await resolver.credential(KEY)
    expect(reads).toHaveLength(3)
  })

  test('is none when inactive, unlisted, of no user, unknown or no key at all', async () => {
    const cases: ((put: ReturnType<typeof world>['put']) => void)[] = [
      (put) => put(ACCESS_KEY, KEY, { ...key, status: 'Inactive' }),
      (put) => put(ACCESS_KEY, KEY, undefined),
      (put) => put(USER, byId(ACCOUNT, USER_ID), { ...user, accessKeys: [] }),
      (put) => put(USER, byId(ACCOUNT, USER_ID), undefined),
    ]
    for (const spoil of cases) {
      const { put, resolver } = world()
      spoil(put)
      expect(await resolver.credential(KEY)).toBeUndefined()
    }
    const { resolver, reads } = world()
    expect(await resolver.credential('../../x')).toBeUndefined()
    expect(await resolver.credential('')).toBeUndefined()
    expect(reads).toEqual([])
  })

  test('the root of the first account needs no read', async () => {
    const { resolver, reads, network } = world()
    network.cut = true
    expect((await resolver.credential('ROOT'))?.identity.isRoot).toBe(true)
    expect(reads).toEqual([])
  })
})

describe('changes of a user, its key and its groups', () => {
  test('a change counts after a second at the latest, without any message', async () => {
    const { put, time, texts } = world()
    expect(await texts()).toContain('one')
    put(USER, byId(ACCOUNT, USER_ID), { ...user, policies: [{ name: 'p', text: 'two' }] })
    time.ms += 400
    expect(await texts()).toContain('one')
    time.ms += 600
    expect(await texts()).toEqual(['two', 'of the group'])
  })

  test('a revoked key too, and one that comes', async () => {
    const { put, time, resolver } = world()
    await resolver.credential(KEY)
    put(ACCESS_KEY, KEY, { ...key, status: 'Inactive' })
    time.ms += 1_000
    expect(await resolver.credential(KEY)).toBeUndefined()
    put(ACCESS_KEY, KEY, key)
    time.ms += 1_000
    expect(await resolver.credential(KEY)).toBeDefined()
  })

  test('each record counts by itself: the oldest decides', async () => {
    const { put, time, texts, network } = world()
    // Key, user and group are read one after the other, 300 ms each.
    network.delayMs = 300
    expect(await texts()).toContain('one')
    network.delayMs = 0
    // The key's read began 900 ms ago.
    put(ACCESS_KEY, KEY, undefined)
    time.ms += 100
    expect(await texts()).toBeUndefined()
  })

  test('also when it was read for another identity before', async () => {
    const { put, time, texts, resolver } = world()
    const second = 'AKIABBBBBBBBBBBBBBBB'
    put(ACCESS_KEY, second, { ...key, accessKeyId: second })
    put(USER, byId(ACCOUNT, USER_ID), { ...user, accessKeys: [KEY, second] })
    await resolver.credential(second)
    time.ms += 900
    // The user and its group are known, and 900 ms old.
    expect(await texts()).toContain('one')
    put(USER, byId(ACCOUNT, USER_ID), undefined)
    time.ms += 100
    expect(await texts()).toBeUndefined()
  })
})

describe('what a node knows of identities', () => {
  test('cut off, it denies once what it knows is a second old', async () => {
    const { time, network, resolver } = world()
    await resolver.credential(KEY)
    network.cut = true
    time.ms += 999
    expect(await resolver.credential(KEY)).toBeDefined()
    await quiet()
    time.ms += 1
    await expect(resolver.credential(KEY)).rejects.toMatchObject({ code: 'Unavailable' })
    network.cut = false
    expect(await resolver.credential(KEY)).toBeDefined()
  })

  test('one in use is read again ahead of time, once, beside the requests', async () => {
    const { time, put, reads, texts } = world()
    await texts()
    put(USER, byId(ACCOUNT, USER_ID), { ...user, policies: [{ name: 'p', text: 'two' }] })
    time.ms += 500
    const [a, b] = await Promise.all([texts(), texts()])
    expect([a, b]).toEqual([
      ['one', 'of the group'],
      ['one', 'of the group'],
    ])
    await quiet()
    expect(reads).toHaveLength(6)
    expect(await texts()).toEqual(['two', 'of the group'])
    // So that no request waits when the first second is over.
    time.ms += 999
    expect(await texts()).toEqual(['two', 'of the group'])
  })

  test('what a peer has changed is forgotten at once; garbage changes nothing', async () => {
    const { put, texts, hear, gossip, resolver, reads } = world()
    await texts()
    const name = byId(ACCOUNT, USER_ID)
    put(USER, name, { ...user, policies: [{ name: 'p', text: 'two' }] })
    for (const bytes of [[], [0xff, 0xfe], [0x20], [0x41]]) hear(Uint8Array.from(bytes))
    await texts()
    expect(reads).toHaveLength(3)
    // Other nodes get exactly what this node sends.
    resolver.changed(USER as never, name)
    expect(await texts()).toEqual(['two', 'of the group'])
    expect(reads).toHaveLength(4)
    put(USER, name, user)
    hear(gossip[0] as Uint8Array)
    expect(await texts()).toEqual(['one', 'of the group'])
  })

  test('a secret is unsealed by the cluster that sealed it only', async () => {
    const { put, resolver } = world()
    const sealedSecret = encryptSecret(new Uint8Array(32).fill(8), new Uint8Array(12), 'foreign')
    put(ACCESS_KEY, KEY, { ...key, sealedSecret })
    await expect(resolver.credential(KEY)).rejects.toThrow()
  })
})
