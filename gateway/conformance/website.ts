/** Websites of buckets: their settings, and objects that redirect. What the website port answers: website.test.ts. */

import assert from 'node:assert/strict'
import {
  CopyObjectCommand,
  DeleteBucketWebsiteCommand,
  GetBucketWebsiteCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketWebsiteCommand,
  PutObjectCommand,
  type RoutingRule,
  type WebsiteConfiguration,
} from '@aws-sdk/client-s3'
import { putSetting } from './settings.ts'
import { expectRefused, fails, type ConformanceCase } from './world.ts'

const HOST = 'example.org'
const RULES: RoutingRule[] = [
  { Condition: { KeyPrefixEquals: 'docs/' }, Redirect: { ReplaceKeyPrefixWith: '' } },
  {
    Condition: { KeyPrefixEquals: 'é&/', HttpErrorCodeReturnedEquals: '404' },
    Redirect: { HostName: HOST, Protocol: 'https', ReplaceKeyWith: 'a b', HttpRedirectCode: '307' },
  },
  { Redirect: { HostName: HOST } },
]
const SITE: WebsiteConfiguration = {
  IndexDocument: { Suffix: 'index.html' },
  ErrorDocument: { Key: 'errors/404.html' },
  RoutingRules: RULES,
}
const REDIRECT: WebsiteConfiguration = {
  RedirectAllRequestsTo: { HostName: HOST, Protocol: 'http' },
}

const INDEX = '<IndexDocument><Suffix>index.html</Suffix></IndexDocument>'
const rules = (...each: string[]): string =>
  `${INDEX}<RoutingRules>${each.map((rule) => `<RoutingRule>${rule}</RoutingRule>`).join('')}</RoutingRules>`
const to = (redirect: string): string => rules(`<Redirect>${redirect}</Redirect>`)
const on = (condition: string): string =>
  rules(`<Condition>${condition}</Condition><Redirect><HostName>x</HostName></Redirect>`)

/** What is not stored, with AWS's code and a part of its text. */
const REFUSED: readonly (readonly [content: string, code: string, text: string])[] = [
  ['', 'InvalidArgument', 'A value for IndexDocument Suffix must be provided'],
  ['<ErrorDocument><Key>k</Key></ErrorDocument>', 'InvalidArgument', 'IndexDocument Suffix'],
  ['<IndexDocument/>', 'InvalidArgument', 'is not well formed'],
  ['<IndexDocument><Suffix>a/b</Suffix></IndexDocument>', 'InvalidArgument', 'is not well formed'],
  [`${INDEX}<ErrorDocument/>`, 'MalformedXML', ''],
  [`${INDEX}<Odd/>`, 'MalformedXML', ''],
  [`${INDEX}${INDEX}`, 'MalformedXML', ''],
  [`${INDEX}<RoutingRules/>`, 'MalformedXML', ''],
  [rules(''), 'MalformedXML', ''],
  [to(''), 'MalformedXML', ''],
  [to('<HostName/>'), 'InvalidRequest', 'The HostName cannot be blank.'],
  [to('<Protocol>ftp</Protocol>'), 'InvalidRequest', 'protocol can be http or https'],
  [to('<HttpRedirectCode>300</HttpRedirectCode>'), 'InvalidRequest', 'redirect code (300)'],
  [to('<HttpRedirectCode>404</HttpRedirectCode>'), 'InvalidRequest', 'redirect code (404)'],
  [
    to('<ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith>'),
    'InvalidRequest',
    'You can only define ReplaceKeyPrefix or ReplaceKey but not both.',
  ],
  [on(''), 'InvalidRequest', 'Condition cannot be empty.'],
  [
    on('<HttpErrorCodeReturnedEquals>302</HttpErrorCodeReturnedEquals>'),
    'InvalidRequest',
    'error code (302)',
  ],
  [
    rules(...Array.from({ length: 51 }, () => '<Redirect><HostName>x</HostName></Redirect>')),
    'InvalidRequest',
    '51 routing rules provided',
  ],
  [
    `<RedirectAllRequestsTo><HostName>x</HostName></RedirectAllRequestsTo>${INDEX}`,
    'InvalidArgument',
    'cannot be provided in conjunction',
  ],
  [
    '<RedirectAllRequestsTo><HostName/></RedirectAllRequestsTo>',
    'InvalidRequest',
    'A host name must',
  ],
  ['<RedirectAllRequestsTo/>', 'MalformedXML', ''],
]

export const WEBSITE_CASES: readonly ConformanceCase[] = [
  {
    name: 'the setting of a website is stored in its order until it is removed',
    async run({ s3, bucket: Bucket }) {
      const get = async (): Promise<WebsiteConfiguration> => {
        const { $metadata, ...found } = await s3.send(new GetBucketWebsiteCommand({ Bucket }))
        assert.equal($metadata.httpStatusCode, 200)
        return found
      }
      await fails(get(), 404, 'NoSuchWebsiteConfiguration')
      for (const WebsiteConfiguration of [SITE, REDIRECT]) {
        await s3.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }))
        assert.deepEqual(await get(), WebsiteConfiguration)
      }
      await s3.send(new DeleteBucketWebsiteCommand({ Bucket }))
      await s3.send(new DeleteBucketWebsiteCommand({ Bucket }))
      await fails(get(), 404, 'NoSuchWebsiteConfiguration')
      const nowhere = new GetBucketWebsiteCommand({ Bucket: `${Bucket}-none` })
      await fails(s3.send(nowhere), 404, 'NoSuchBucket')
    },
  },
  {
    name: "settings of a website that are not valid get AWS's errors, and change nothing",
    async run(world) {
      const { s3, bucket: Bucket } = world
      await s3.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration: SITE }))
      for (const [content, code, text] of REFUSED) {
        const document = `<WebsiteConfiguration>${content}</WebsiteConfiguration>`
        const answer = await putSetting(world, 'website', document)
        expectRefused(answer, 400, code)
        assert.ok(answer.text.includes(text), answer.text)
      }
      const { RoutingRules } = await s3.send(new GetBucketWebsiteCommand({ Bucket }))
      assert.deepEqual(RoutingRules, RULES)
    },
  },
  {
    name: 'an object has the redirect of its own request, also when it is a copy',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const name = 'x-amz-website-redirect-location'
      for (const location of ['relative', '', 'ftp://example.org/', '//', `/${'x'.repeat(2048)}`]) {
        const valid = location === '' || location === '//'
        const headers = { [name]: location }
        const answer = await world.raw({ method: 'PUT', path: `/${Bucket}/bad`, headers })
        if (valid) assert.equal(answer.status, 200, answer.text)
        else expectRefused(answer, 400, 'InvalidRedirectLocation')
      }
      const WebsiteRedirectLocation = '/elsewhere?x=%20'
      await s3.send(new PutObjectCommand({ Bucket, Key: 'k', WebsiteRedirectLocation }))
      const of = async (Key: string): Promise<string | undefined> => {
        const head = await s3.send(new HeadObjectCommand({ Bucket, Key }))
        const found = await s3.send(new GetObjectCommand({ Bucket, Key }))
        assert.equal(found.WebsiteRedirectLocation, head.WebsiteRedirectLocation)
        return head.WebsiteRedirectLocation
      }
      assert.equal(await of('k'), WebsiteRedirectLocation)
      const CopySource = `/${Bucket}/k`
      await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }))
      assert.equal(await of('copy'), undefined)
      const changed = { WebsiteRedirectLocation: 'https://example.org/' }
      await s3.send(new CopyObjectCommand({ Bucket, Key: 'k', CopySource, ...changed }))
      assert.equal(await of('k'), 'https://example.org/')
      await fails(
        s3.send(new CopyObjectCommand({ Bucket, Key: 'k', CopySource })),
        400,
        'InvalidRequest',
      )
      const started = await world.raw({
        method: 'POST',
        path: `/${Bucket}/parts`,
        query: [['uploads', '']],
        headers: { [name]: '/there' },
      })
      const uploadId = /<UploadId>([^<]+)</.exec(started.text)?.[1] ?? ''
      const path = `/${Bucket}/parts`
      const part = await world.raw({
        method: 'PUT',
        path,
        query: [
          ['partNumber', '1'],
          ['uploadId', uploadId],
        ],
        body: [Buffer.from('x')],
      })
      const document = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part></CompleteMultipartUpload>`
      const query: [string, string][] = [['uploadId', uploadId]]
      await world.raw({ method: 'POST', path, query, body: [Buffer.from(document)] })
      assert.equal(await of('parts'), '/there')
    },
  },
]
