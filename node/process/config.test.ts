import * as fc from 'fast-check'
import { ACCESS_KEY_ID } from '../../protocol/iam/identity.ts'
import { describe, expect, it } from 'vitest'
import {
  fieldNames,
  resolveConfig,
  unknownVariables,
  variableName,
  type ConfigSources,
} from './config.ts'
import { flagNames } from './config-fields.ts'
import { UsageError } from '../tools/usage-error.ts'

const toml = (text: string): { path: string; text: string } => ({ path: 'shoal.toml', text })
const yaml = (text: string): { path: string; text: string } => ({ path: 'shoal.yaml', text })

function refusal(sources: ConfigSources): string {
  try {
    resolveConfig(sources)
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    const { message } = error as Error
    expect(message).not.toMatch(/\n/)
    return message
  }
  throw new Error('was taken')
}

describe('root credentials', () => {
  const keys = (rootAccessKey: string, rootSecretKey = 'password'): unknown =>
    resolveConfig({
      env: { SHOAL_ROOT_ACCESS_KEY: rootAccessKey, SHOAL_ROOT_SECRET_KEY: rootSecretKey },
    })

  it.each([
    'minio-admin',
    'minio.admin.1',
    'ops+root@example.org',
    'AKIAIOSFODNN7EXAMPLE',
    'abc',
    '---',
  ])('may be called %s, as with other stores', (rootAccessKey) => {
    expect(keys(rootAccessKey)).toMatchObject({ rootAccessKey })
    // Node and gateway look keys of this form up.
    expect(rootAccessKey).toMatch(ACCESS_KEY_ID)
  })

  it.each(['ab', 'a b c', 'a,b', 'a=b', 'a/b/c', 'a:b', 'caf\u00e9', 'x'.repeat(129)])(
    'can not be called %j: signatures and shells would misread it',
    (rootAccessKey) => {
      expect(() => keys(rootAccessKey)).toThrow(/SHOAL_ROOT_ACCESS_KEY: .* has 3 to 128 characters/)
    },
  )

  it('have a secret of 8 characters at least', () => {
    expect(keys('minio-admin', '8letters')).toMatchObject({ rootSecretKey: '8letters' })
    expect(() => keys('minio-admin', '7letter')).toThrow(/SHOAL_ROOT_SECRET_KEY: the value/)
  })
})

describe('defaults', () => {
  it('make a node that runs on its own', () => {
    expect(resolveConfig({})).toEqual({
      region: 'us-east-1',
      bodyMemory: 256 * 2 ** 20,
      readMemory: 64 * 2 ** 20,
      addressShare: 0.25,
      callerShare: 0.5,
      sigv2: 'presigned',
      webhooks: [],
      webhookQueue: 64 * 2 ** 20,
      webhookAge: 86_400_000,
      replication: 3,
      hostSuffixes: [],
      bucketsPerAccount: 100,
      data: './shoal-data',
      s3: { host: '127.0.0.1', port: 9000 },
      websiteDomains: [],
      tlsCert: [],
      tlsKey: [],
      trustedProxies: [],
      bucketLogInterval: 60_000,
      proxyHeader: 'x-forwarded',
      admin: { host: '127.0.0.1', port: 9001 },
      adminTlsCert: [],
      adminTlsKey: [],
      listen: '/ip4/127.0.0.1/tcp/9002',
      zone: 'default',
      segmentSize: 2 ** 31,
      shutdownTimeout: 10_000,
      reclaimDelay: 30_000,
      scanPause: 600_000,
      compactionInterval: 10_000,
      compactionRate: 2 ** 26,
      gatewayThreads: 0,
      compactionDeadShare: 0.4,
      scrubRate: 2 ** 24,
      moveRate: 2 ** 26,
      scrubPause: 7 * 86_400_000,
      partSizeMin: 5 * 2 ** 20,
      accessLog: 'off',
      logLevel: 'info',
    })
  })
})

describe('precedence', () => {
  it('is flags, environment, file, data directory, default', () => {
    const sources = {
      flags: { zone: 'flag' },
      env: { SHOAL_ZONE: 'variable' },
      file: toml('zone = "file"'),
      remembered: { zone: 'remembered' },
    }
    expect(resolveConfig(sources).zone).toBe('flag')
    expect(resolveConfig({ ...sources, flags: {} }).zone).toBe('variable')
    expect(resolveConfig({ ...sources, flags: {}, env: {} }).zone).toBe('file')
    expect(resolveConfig({ remembered: sources.remembered }).zone).toBe('remembered')
  })

  it('takes an empty variable as none', () => {
    expect(resolveConfig({ env: { SHOAL_ZONE: '' }, remembered: { zone: 'z' } }).zone).toBe('z')
  })

  it('has a variable for every field', () => {
    expect(variableName('segmentSize')).toBe('SHOAL_SEGMENT_SIZE')
    expect(variableName('rootAccessKey')).toBe('SHOAL_ROOT_ACCESS_KEY')
    expect(resolveConfig({ env: { SHOAL_SEGMENT_SIZE: '64MiB' } }).segmentSize).toBe(2 ** 26)
    expect(resolveConfig({ env: { SHOAL_BUCKETS_PER_ACCOUNT: '7' } }).bucketsPerAccount).toBe(7)
    expect(resolveConfig({ env: { SHOAL_HOST_SUFFIXES: 'a.org, b.org' } }).hostSuffixes).toEqual([
      'a.org',
      'b.org',
    ])
  })

  it('takes 0 where there need be no limit, as README says', () => {
    expect(resolveConfig({ env: { SHOAL_MOVE_RATE: '0' } }).moveRate).toBe(0)
    expect(resolveConfig({ env: { SHOAL_MOVE_RATE: '0B' } }).moveRate).toBe(0)
    expect(refusal({ env: { SHOAL_SEGMENT_SIZE: '0' } })).toMatch(
      /^SHOAL_SEGMENT_SIZE: '0' is outside /,
    )
  })

  it('names variables that mean nothing', () => {
    expect(unknownVariables({ SHOAL_ZONE: 'a', SHOAL_ZNOE: 'b', PATH: 'c' })).toEqual([
      'SHOAL_ZNOE',
    ])
  })
})

describe('the S3 port', () => {
  it('takes certificates with their keys, and never one without the other', () => {
    const env = { SHOAL_TLS_CERT: 'a.pem, b.pem', SHOAL_TLS_KEY: 'a.key,b.key' }
    expect(resolveConfig({ env })).toMatchObject({
      tlsCert: ['a.pem', 'b.pem'],
      tlsKey: ['a.key', 'b.key'],
    })
    expect(refusal({ env: { SHOAL_TLS_CERT: 'a.pem' } })).toBe(
      'tlsCert names 1 files and tlsKey 0: each certificate needs its key',
    )
    expect(refusal({ env: { ...env, SHOAL_TLS_KEY: 'a.key,' } })).toMatch(
      /^SHOAL_TLS_KEY: .* list of/,
    )
  })

  it('takes proxies by address and range', () => {
    const env = {
      SHOAL_TRUSTED_PROXIES: '10.0.0.0/8, 2001:db8::1',
      SHOAL_PROXY_HEADER: 'proxy-protocol',
    }
    expect(resolveConfig({ env })).toMatchObject({
      trustedProxies: ['10.0.0.0/8', '2001:db8::1'],
      proxyHeader: 'proxy-protocol',
    })
    expect(resolveConfig({}).proxyHeader).toBe('x-forwarded')
    expect(refusal({ env: { SHOAL_TRUSTED_PROXIES: 'proxy.example.org' } })).toMatch(
      /^SHOAL_TRUSTED_PROXIES: .* is not a list of IP addresses/,
    )
    expect(refusal({ env: { ...env, SHOAL_TRUSTED_PROXIES: '' } })).toMatch(
      /^proxyHeader is proxy-protocol and trustedProxies is empty/,
    )
  })
})

describe('files', () => {
  it('are TOML or YAML', () => {
    const expected = { segmentSize: 2 ** 26, hostSuffixes: ['s3.example.org'], replication: 5 }
    const t = 'segmentSize = "64MiB"\nhostSuffixes = ["s3.example.org"]\nreplication = 5\n'
    const y = 'segmentSize: 64MiB\nhostSuffixes: [s3.example.org]\nreplication: 5\n'
    expect(resolveConfig({ file: toml(t) })).toMatchObject(expected)
    expect(resolveConfig({ file: yaml(y) })).toMatchObject(expected)
    expect(resolveConfig({ file: yaml('') }).replication).toBe(3)
  })

  it('with an unknown field are refused, and the near one is named', () => {
    expect(refusal({ file: toml('segment_size = "1GiB"') })).toBe(
      "shoal.toml: unknown field 'segment_size': is 'segmentSize' meant?",
    )
    expect(refusal({ file: yaml('colour: red') })).toMatch(
      /^shoal.yaml: unknown field 'colour': known are region, /,
    )
    expect(refusal({ file: yaml('__proto__: {zone: x}') })).toMatch(/unknown field '__proto__'/)
  })

  it('that are no such file are refused with the line', () => {
    expect(refusal({ file: toml('zone = "a"\nzone = = 1') })).toMatch(/^shoal\.toml:2: /)
    expect(refusal({ file: yaml('a: [') })).toMatch(/^shoal\.yaml:\d: /)
    expect(refusal({ file: yaml('- zone') })).toMatch(/holds fields/)
    expect(refusal({ file: { path: 'shoal.ini', text: '' } })).toMatch(/must end in \.toml/)
  })
})

describe('values', () => {
  it.each([
    [{ flags: { s3: '9000' } }, "--s3: '9000' is not HOST:PORT, such as 127.0.0.1:9000"],
    [{ flags: { s3: 'a:70000' } }, /^--s3: .* is not HOST:PORT/],
    [{ env: { SHOAL_SEGMENT_SIZE: '64' } }, /^SHOAL_SEGMENT_SIZE: '64' is not a size/],
    [{ env: { SHOAL_SEGMENT_SIZE: '1MiB' } }, /is outside 4MiB to 3GiB/],
    [
      { file: toml('segmentSize = 64') },
      'shoal.toml: segmentSize: 64 is not a size, such as 512MiB, 2GiB or 1TiB',
    ],
    [{ file: toml('replication = 0') }, /replication: 0 is not a whole number from 1 to 7/],
    [{ file: toml('replication = 2.5') }, /is not a whole number/],
    [{ env: { SHOAL_REPLICATION: '0x3' } }, /is not a whole number/],
    [{ env: { SHOAL_SHUTDOWN_TIMEOUT: '10' } }, /is not a duration/],
    [{ flags: { listen: '127.0.0.1:9002' } }, /^--listen: .*multiaddress/],
    [{ flags: { zone: 'a b' } }, /^--zone: /],
    [{ flags: { data: '' } }, /^--data: '' is not a directory name/],
    [{ flags: { capacity: '1KiB' } }, /is less than 64MiB/],
    [{ env: { SHOAL_LOG_LEVEL: 'loud' } }, /is not one of debug, info, warn, error/],
    [
      { env: { SHOAL_ROOT_ACCESS_KEY: 'admin' } },
      'rootAccessKey is set without rootSecretKey: set both or neither',
    ],
    [{ flags: { zone: 'x\ny' } }, /^--zone: 'x\\ny'/],
  ] as [ConfigSources, string | RegExp][])('%j is refused', (sources, expected) => {
    expect(refusal(sources)).toMatch(expected)
  })

  it('of secrets are not repeated', () => {
    const env = { SHOAL_ROOT_ACCESS_KEY: 'admin', SHOAL_ROOT_SECRET_KEY: 'short' }
    expect(refusal({ env })).toMatch(/^SHOAL_ROOT_SECRET_KEY: the value has 8 to 128/)
    expect(refusal({ flags: { join: 'tiny' } })).not.toMatch(/tiny/)
  })

  it('of IPv6 hosts lose their brackets', () => {
    expect(resolveConfig({ flags: { s3: '[::1]:9000' } }).s3).toEqual({ host: '::1', port: 9000 })
  })

  it('of any text give a configuration or a UsageError', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string()))
    fc.assert(
      fc.property(fc.constantFrom(...fieldNames), value, (field, raw) => {
        try {
          resolveConfig({ flags: { [field]: raw } })
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError)
        }
      }),
    )
  })
})

describe('flags', () => {
  it('hold no secret', () => {
    expect(flagNames).not.toContain('rootSecretKey')
    for (const name of flagNames) expect(fieldNames).toContain(name)
  })
})

describe('webhooks', () => {
  const hooks = (text: string): unknown => resolveConfig({ env: { SHOAL_WEBHOOKS: text } }).webhooks

  it('are the same in a file and, as JSON, in a variable', () => {
    const file = toml('[webhooks.a]\nurl = "https://example.org/x"\nallow = ["10.0.0.0/8"]')
    const { webhooks } = resolveConfig({ file })
    expect(webhooks).toMatchObject([{ name: 'a', url: 'https://example.org/x' }])
    expect(hooks('{"a":{"url":"https://example.org/x","allow":["10.0.0.0/8"]}}')).toEqual(webhooks)
  })

  it.each([
    ['[]', 'is not a table'],
    ['{', 'is not a table'],
    ['{"a b":{"url":"http://a/"}}', 'has a name'],
    ['{"a":{}}', 'has no http or https url'],
    ['{"a":{"url":"ftp://a/"}}', 'has no http or https url'],
    ['{"a":{"url":"http://u:p@a/"}}', 'has no http or https url'],
    ['{"a":{"url":"http://a/","header":"x"}}', 'knows url'],
    ['{"a":{"url":"http://a/","secret":"x\\ny"}}', 'has secret'],
    ['{"a":{"url":"http://a/","allow":["private"]}}', 'allows what is no list'],
  ])('%s is refused, and no value is shown', (text, problem) => {
    const said = refusal({ env: { SHOAL_WEBHOOKS: text } })
    expect(said).toContain(problem)
    expect(said).toMatch(/^SHOAL_WEBHOOKS: the value /)
  })
})
