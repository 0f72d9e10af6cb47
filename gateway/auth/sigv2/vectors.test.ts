/**
 * AWS's published examples (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html), in
 * both editions of the page, and recorded requests of clients.
 *
 * Two examples of the newer edition are left out, the upload and the presigned GET: their signatures do not belong to
 * the strings that the page shows for them. Those of the older edition are right.
 */

import { expect, test } from 'vitest'

import type { AuthResult } from '../auth.ts'
import { authenticate } from '../authenticate.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest } from '../../testing/requests.ts'
import { TEST_NOW_MS } from '../../testing/signer.ts'
import { CLIENT_LINKS, CLIENT_REQUESTS } from '../../testing/sigv2-requests.ts'

type Headers = readonly (readonly [string, string])[]

async function verify(
  method: string,
  url: string,
  headers: Headers,
  nowMs: number,
  suffixes: readonly string[],
): Promise<AuthResult> {
  return authenticate(fakeRequest({ method, url, headers }, suffixes), {
    lookup: async (id) => (id === EXAMPLE_CREDENTIAL.accessKeyId ? EXAMPLE_CREDENTIAL : undefined),
    lookupSession: async (_id, token) => (token === 'to/k+en==' ? EXAMPLE_CREDENTIAL : undefined),
    nowMs,
    region: 'us-east-1',
    sigv2: 'on',
  })
}

const NEW = 'awsexamplebucket1.us-west-1.s3.amazonaws.com'
const OLD = 'johnsmith.s3.amazonaws.com'
const SUFFIXES = ['us-west-1.s3.amazonaws.com', 's3.us-west-1.amazonaws.com', 's3.amazonaws.com']

type Example = readonly [
  name: string,
  method: string,
  target: string,
  host: string,
  date: string,
  signature: string,
  more?: Headers,
]

const EXAMPLES: readonly Example[] = [
  [
    'object GET',
    'GET',
    '/photos/puppy.jpg',
    NEW,
    'Tue, 27 Mar 2007 19:36:42 +0000',
    'qgk2+6Sv9/oM7G3qLEjTH1a1l1g=',
  ],
  [
    'object PUT',
    'PUT',
    '/photos/puppy.jpg',
    NEW,
    'Tue, 27 Mar 2007 21:15:45 +0000',
    'iqRzw+ileNPu1fhspnRs8nOjjIA=',
    [
      ['Content-Type', 'image/jpeg'],
      ['Content-Length', '94328'],
    ],
  ],
  [
    'list',
    'GET',
    '/?prefix=photos&max-keys=50&marker=puppy',
    NEW,
    'Tue, 27 Mar 2007 19:42:41 +0000',
    'm0WP8eCtspQl5Ahe6L1SozdX9YA=',
    [['User-Agent', 'Mozilla/5.0']],
  ],
  ['fetch', 'GET', '/?acl', NEW, 'Tue, 27 Mar 2007 19:44:46 +0000', '82ZHiFIjc+WbcwFKGUVEQspPn+0='],
  [
    'delete',
    'DELETE',
    '/awsexamplebucket1/photos/puppy.jpg',
    's3.us-west-1.amazonaws.com',
    'Tue, 27 Mar 2007 21:20:27 +0000',
    'XbyTlbQdu9Xw5o8P4iMwPktxQd8=',
    [['x-amz-date', 'Tue, 27 Mar 2007 21:20:26 +0000']],
  ],
  [
    'list all my buckets',
    'GET',
    '/',
    's3.us-west-1.amazonaws.com',
    'Wed, 28 Mar 2007 01:29:59 +0000',
    'qGdzdERIC03wnaRNKh6OqZehG9s=',
  ],
  [
    'Unicode keys',
    'GET',
    '/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re',
    's3.us-west-1.amazonaws.com',
    'Wed, 28 Mar 2007 01:49:49 +0000',
    'DNEZGsoieTZ92F3bUfSPQcbGmlM=',
  ],
  [
    'object GET, older',
    'GET',
    '/photos/puppy.jpg',
    OLD,
    'Tue, 27 Mar 2007 19:36:42 +0000',
    'bWq2s1WEIj+Ydj0vQ697zp+IXMU=',
  ],
  [
    'object PUT, older',
    'PUT',
    '/photos/puppy.jpg',
    OLD,
    'Tue, 27 Mar 2007 21:15:45 +0000',
    'MyyxeRY7whkBe+bq8fHCL/2kKUg=',
    [
      ['Content-Type', 'image/jpeg'],
      ['Content-Length', '94328'],
    ],
  ],
  [
    'list, older',
    'GET',
    '/?prefix=photos&max-keys=50&marker=puppy',
    OLD,
    'Tue, 27 Mar 2007 19:42:41 +0000',
    'htDYFYduRNen8P9ZfE/s9SuKy0U=',
  ],
  [
    'fetch, older',
    'GET',
    '/?acl',
    OLD,
    'Tue, 27 Mar 2007 19:44:46 +0000',
    'c2WLPFtWHVgbEmeEG93a4cG37dM=',
  ],
  [
    'upload, older',
    'PUT',
    '/db-backup.dat.gz',
    'static.johnsmith.net:8080',
    'Tue, 27 Mar 2007 21:06:08 +0000',
    'ilyl83RwaSoYIEdixDQcA4OnAnc=',
    [
      ['User-Agent', 'curl/7.15.5'],
      ['x-amz-acl', 'public-read'],
      ['content-type', 'application/x-download'],
      ['Content-MD5', '4gJE4saaMU4BqNR0kLY+lw=='],
      ['X-Amz-Meta-ReviewedBy', 'joe@johnsmith.net'],
      ['X-Amz-Meta-ReviewedBy', 'jane@johnsmith.net'],
      ['X-Amz-Meta-FileChecksum', '0x02661779'],
      ['X-Amz-Meta-ChecksumAlgorithm', 'crc32'],
      ['Content-Disposition', 'attachment; filename=database.dat'],
      ['Content-Encoding', 'gzip'],
      ['Content-Length', '5913339'],
    ],
  ],
]

test.each(EXAMPLES.map((example) => [example[0], example] as const))(
  'AWS: %s',
  async (_, example) => {
    const [name, method, target, host, date, signature, more = []] = example
    const headers: Headers = [
      ['Host', host],
      ['Date', date],
      ...more,
      ['Authorization', `AWS AKIAIOSFODNN7EXAMPLE:${signature}`],
    ]
    // The bucket of this example is the whole host, a CNAME, which no suffix can describe.
    const url = name.startsWith('upload') ? `/static.johnsmith.net${target}` : target
    const auth = await verify(method, url, headers, Date.parse(date), SUFFIXES)
    expect(auth).toMatchObject({ method: 'header', version: 2, credential: EXAMPLE_CREDENTIAL })
  },
)

test('an older presigned example of AWS', async () => {
  const url =
    '/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620'
  const auth = await verify('GET', url, [['Host', OLD]], 1175139620_000, SUFFIXES)
  expect(auth).toMatchObject({ method: 'query', version: 2 })
})

/** Does not use URL, which would resolve the dots of a key. */
function split(link: string): { host: string; target: string } {
  const [, host = '', target = ''] = /^http:\/\/([^/]+)(.*)$/.exec(link) ?? []
  return { host, target }
}

test.each(CLIENT_LINKS)('%s', async (_name, method, link) => {
  const { host, target } = split(link)
  const check = (more: Headers, nowMs: number): Promise<AuthResult> =>
    verify(method, target, [['Host', host], ...more], nowMs, ['s3.example.org'])
  expect(await check([], TEST_NOW_MS + 3600_000)).toMatchObject({ method: 'query', version: 2 })
  await expect(check([], TEST_NOW_MS + 3601_000)).rejects.toMatchObject({
    code: 'AccessDenied',
    message: 'Request has expired',
  })
  await expect(check([['x-amz-meta-b', 'c']], TEST_NOW_MS)).rejects.toMatchObject({
    code: 'SignatureDoesNotMatch',
  })
})

test.each(CLIENT_REQUESTS)('boto3 header %s %s', async (method, link, headers) => {
  const { host, target } = split(link)
  const pairs: Headers = [['Host', host], ...Object.entries(headers)]
  const auth = await verify(method, target, pairs, TEST_NOW_MS, ['s3.example.org'])
  expect(auth).toMatchObject({ method: 'header', version: 2, signedMs: TEST_NOW_MS })
})
