/** The website port over HTTP: pages, folders, redirects, errors, rights. */

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { sendRaw, sendUnsigned, type RawResponse } from './conformance/world.ts'
import { gatewayForEachTest } from './testing/http-world.ts'
import { INDEX, openSite, type Site } from './testing/website-world.ts'

const start = gatewayForEachTest()
const HTML = { 'content-type': 'text/html' }
const ERROR = '<ErrorDocument><Key>errors/all.html</Key></ErrorDocument>'
const rules = (...each: string[]): string =>
  `${INDEX}<RoutingRules>${each.map((rule) => `<RoutingRule>${rule}</RoutingRule>`).join('')}</RoutingRules>`
const rule = (condition: string, redirect: string): string =>
  `${condition === '' ? '' : `<Condition>${condition}</Condition>`}<Redirect>${redirect}</Redirect>`
const onPrefix = (prefix: string): string => `<KeyPrefixEquals>${prefix}</KeyPrefixEquals>`
const onError = (status: number): string =>
  `<HttpErrorCodeReturnedEquals>${status}</HttpErrorCodeReturnedEquals>`

async function opened(content?: string): Promise<Site> {
  const site = await openSite(await start(), content)
  await site.put('index.html', 'the start', HTML)
  await site.put('docs/index.html', 'the docs', HTML)
  await site.put('docs/a b.txt', '0123456789')
  return site
}

function shownBy({ status, text, headers }: RawResponse): unknown[] {
  return [status, headers['location'], text]
}

describe('pages', () => {
  test('objects are shown, and index documents of folders', async () => {
    const { visit } = await opened()
    for (const [path, text] of [
      ['/', 'the start'],
      ['/?versionId=x&acl&X-Amz-Signature=1&x-amz-y=1&x-amz-y=2', 'the start'],
      ['/docs/', 'the docs'],
      ['/docs/index.html', 'the docs'],
      ['/docs/a%20b.txt', '0123456789'],
    ] as const) {
      const page = await visit(path)
      expect([page.status, page.text]).toEqual([200, text])
      const head = await visit(path, { method: 'HEAD' })
      const { date: _, 'x-amz-request-id': __, ...same } = page.headers
      expect([head.status, head.text]).toEqual([200, ''])
      expect(head.headers).toMatchObject({ ...same, 'content-length': String(text.length) })
    }
    expect((await visit('/')).headers['content-type']).toBe('text/html')
  })

  test('a folder without its slash redirects to the folder, also where keys may not be listed', async () => {
    const { visit } = await opened()
    const found = await visit('/docs?a=1')
    expect([found.status, found.headers['location']]).toEqual([302, '/docs/?a=1'])
    expect(found.text).toContain('<h1>302 Moved Temporarily</h1>\n<ul>\n<li>Code: Found</li>')
    expect(found.headers['x-amz-error-message']).toBe('Resource Found')
    expect(shownBy(await visit('/docs', { method: 'HEAD' }))).toEqual([302, '/docs/', ''])
    // Nothing of another depth is a folder.
    expect((await visit('/doc')).status).toBe(403)
  })

  test('conditions and ranges are those of GetObject', async () => {
    const { visit } = await opened()
    const path = '/docs/a%20b.txt'
    const { etag = '' } = (await visit(path)).headers
    const part = await visit(path, { headers: { range: 'bytes=2-4' } })
    expect([part.status, part.text, part.headers['content-range']]).toEqual([
      206,
      '234',
      'bytes 2-4/10',
    ])
    const same = await visit(path, { headers: { 'if-none-match': etag } })
    expect(shownBy(same)).toEqual([304, undefined, ''])
    const changed = await visit(path, { headers: { 'if-match': '"x"' } })
    expect([changed.status, changed.headers['x-amz-error-code']]).toEqual([
      412,
      'PreconditionFailed',
    ])
  })
})

describe('the bucket', () => {
  test('is named by the host, below a domain or by itself', async () => {
    const { visit } = await opened()
    for (const host of ['BUCKET.web.example.org', 'bucket.web.example.org.:80', 'bucket:8080']) {
      expect((await visit('/', { host })).text, host).toBe('the start')
    }
    for (const [host, status, code] of [
      ['other.web.example.org', 404, 'NoSuchBucket'],
      ['bucket.s3.example.org', 404, 'NoSuchBucket'],
      ['127.0.0.1:9000', 404, 'NoSuchBucket'],
      ['[::1]', 400, 'InvalidBucketName'],
    ] as const) {
      const { status: given, headers, text } = await visit('/bucket/index.html', { host })
      expect([given, headers['x-amz-error-code']], host).toEqual([status, code])
      expect(text).toContain(`<li>Code: ${code}</li>`)
    }
  })

  test('must be a website', async () => {
    const { visit, gateway } = await opened()
    await sendRaw(gateway.target, { method: 'DELETE', path: '/bucket', query: [['website', '']] })
    const { status, text } = await visit('/index.html')
    expect(status).toBe(404)
    expect(text).toContain('<li>Code: NoSuchWebsiteConfiguration</li>')
    expect(text).toContain('<li>BucketName: bucket</li>')
  })

  test('is only read: other methods get 405, and their body is not asked for', async () => {
    const { visit } = await opened(INDEX + ERROR)
    for (const method of ['PUT', 'POST', 'DELETE', 'PATCH', 'TRACE']) {
      const answer = await visit('/docs/index.html', {
        method,
        headers: { expect: '100-continue' },
      })
      expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, HEAD, OPTIONS'])
      expect(answer.text).toContain(`<li>Method: ${method}</li>\n<li>ResourceType: OBJECT</li>`)
    }
    expect((await visit('*', { method: 'OPTIONS' })).headers['allow']).toBe('GET, HEAD, OPTIONS')
    expect((await visit('/docs/index.html')).text).toBe('the docs')
  })
})

describe('errors', () => {
  test("are AWS's pages", async () => {
    const { visit, allow } = await opened()
    const denied = await visit('/gone.html')
    expect([denied.status, denied.headers['content-type']]).toEqual([
      403,
      'text/html; charset=utf-8',
    ])
    const { 'x-amz-request-id': id, 'x-amz-id-2': host } = denied.headers
    expect(denied.text).toBe(
      '<html>\n<head><title>403 Forbidden</title></head>\n<body>\n<h1>403 Forbidden</h1>\n<ul>\n' +
        `<li>Code: AccessDenied</li>\n<li>Message: Access Denied</li>\n<li>RequestId: ${id}</li>\n` +
        `<li>HostId: ${host}</li>\n</ul>\n<hr/>\n</body>\n</html>\n`,
    )
    await allow(['s3:GetObject', 's3:ListBucket'])
    const missing = await visit('/%3Cscript%3E%C3%A9')
    expect(missing.status).toBe(404)
    expect(missing.text).toContain(
      '<li>Code: NoSuchKey</li>\n<li>Message: The specified key does not exist.</li>\n<li>Key: &lt;script&gt;é</li>',
    )
    expect((await visit('/none/')).text).toContain('<li>Key: none/index.html</li>')
    const head = await visit('/gone.html', { method: 'HEAD' })
    expect([head.status, head.text]).toEqual([404, ''])
    expect(head.headers['x-amz-error-detail-key']).toBe('gone.html')
    const broken = await visit('/%ff')
    expect([broken.status, broken.headers['x-amz-error-code']]).toEqual([400, 'InvalidURI'])
  })

  test('are shown by the error document, with their own status', async () => {
    const { visit, put, allow } = await opened(INDEX + ERROR)
    await put('errors/all.html', 'sorry', { ...HTML, 'cache-control': 'no-store' })
    const headers = { range: 'bytes=1-2', 'if-none-match': '*' }
    const denied = await visit('/gone', { headers })
    expect([denied.status, denied.text]).toEqual([403, 'sorry'])
    expect(denied.headers).toMatchObject({
      'content-type': 'text/html',
      'cache-control': 'no-store',
      'x-amz-error-code': 'AccessDenied',
    })
    await allow(['s3:GetObject', 's3:ListBucket'])
    expect(shownBy(await visit('/gone'))).toEqual([404, undefined, 'sorry'])
    const head = await visit('/gone', { method: 'HEAD' })
    expect([head.status, head.text, head.headers['content-length']]).toEqual([404, '', '5'])
    await put('errors/all.html', '', { 'x-amz-website-redirect-location': '/sorry' })
    expect(shownBy(await visit('/gone'))).toEqual([301, '/sorry', ''])
  })

  test('say why the error document cannot be shown', async () => {
    const { visit, allow, put } = await opened(INDEX + ERROR)
    await allow(['s3:GetObject', 's3:ListBucket'])
    const { status, text } = await visit('/gone')
    expect(status).toBe(404)
    expect(text).toContain(
      '<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n' +
        '<li>Code: NoSuchKey</li>\n<li>Message: The specified key does not exist.</li>\n<li>Key: errors/all.html</li>\n</ul>\n<hr/>',
    )
    await put('errors/all.html', 'not for everyone')
    await allow(['s3:GetObject'], { Resource: 'arn:aws:s3:::bucket/docs/*' })
    const denied = await visit('/index.html')
    expect(denied.text.match(/<li>Code: AccessDenied<\/li>/g)).toHaveLength(2)
  })
})

describe('redirects', () => {
  test('of objects come before conditions and ranges', async () => {
    const { visit, put } = await opened()
    await put('old', 'not shown', { 'x-amz-website-redirect-location': 'https://example.org/new' })
    for (const headers of [{}, { 'if-none-match': '*' }, { range: 'bytes=100-' }] as Record<
      string,
      string
    >[]) {
      const answer = await visit('/old', { headers })
      expect(shownBy(answer)).toEqual([301, 'https://example.org/new', ''])
      expect(answer.headers['content-length']).toBe('0')
    }
  })

  test('of all requests keep path and query', async () => {
    const all = (more: string): string =>
      `<RedirectAllRequestsTo><HostName>example.org</HostName>${more}</RedirectAllRequestsTo>`
    const { visit, setWebsite } = await opened(all(''))
    const gone = await visit('/a/%20b?c=%64')
    expect(shownBy(gone)).toEqual([301, 'http://example.org/a/%20b?c=%64', ''])
    await setWebsite(all('<Protocol>https</Protocol>'))
    expect((await visit('/', { method: 'HEAD' })).headers['location']).toBe('https://example.org/')
  })

  test('of rules come before the object, or instead of its error', async () => {
    const { visit, put, allow } = await opened(
      rules(
        rule(onPrefix('docs/'), '<ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith>'),
        rule(onPrefix('images/'), '<ReplaceKeyWith>gone é.html</ReplaceKeyWith>'),
        rule(
          onPrefix('x/') + onError(404),
          '<HostName>x.example.org</HostName><ReplaceKeyPrefixWith/>',
        ),
        rule(
          onError(404),
          '<Protocol>https</Protocol><ReplaceKeyPrefixWith>#!/</ReplaceKeyPrefixWith><HttpRedirectCode>303</HttpRedirectCode>',
        ),
      ),
    )
    await put('x/there', 'shown')
    const here = 'http://bucket.web.example.org'
    expect(shownBy(await visit('/docs/a%20b.txt'))).toEqual([
      301,
      `${here}/documents/a%20b.txt`,
      '',
    ])
    expect(shownBy(await visit('/docs/'))).toEqual([301, `${here}/documents/`, ''])
    expect((await visit('/images/a?q=1')).headers['location']).toBe(
      `${here}/gone%20%C3%A9.html?q=1`,
    )
    expect((await visit('/x/there')).text).toBe('shown')
    // Callers who may not list the bucket are not told that a key is missing.
    expect((await visit('/x/none')).status).toBe(403)
    await allow(['s3:GetObject', 's3:ListBucket'])
    expect(shownBy(await visit('/x/none'))).toEqual([301, 'http://x.example.org/none', ''])
    const spa = await visit('/some/%C3%A9')
    expect(shownBy(spa)).toEqual([303, 'https://bucket.web.example.org/#!/some/%C3%A9', ''])
  })

  test('of a rule cannot add headers', async () => {
    const { visit } = await opened(
      rules(
        rule('', '<HostName>a&#13;&#10;b: c</HostName><ReplaceKeyWith>d&#10;e</ReplaceKeyWith>'),
      ),
    )
    expect((await visit('/')).headers['location']).toBe('http://a%0D%0Ab:%20c/d%0Ae')
  })
})

describe('rights', () => {
  test('are those of a request to S3 without a signature', async () => {
    const { visit, allow, set } = await opened()
    await allow(['s3:GetObject'], { Condition: { StringLike: { 'aws:Referer': 'http://a/*' } } })
    const from = (referer: string): Promise<RawResponse> => visit('/', { headers: { referer } })
    expect([(await from('http://a/x')).status, (await from('http://b/')).status]).toEqual([
      200, 403,
    ])
    await allow(['s3:GetObject'])
    const signed = {
      authorization: 'AWS4-HMAC-SHA256 nonsense',
      'x-amz-expected-bucket-owner': 'x',
    }
    expect((await visit('/', { headers: signed })).status).toBe(200)
    const block =
      '<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>'
    await set('publicAccessBlock', block)
    expect((await visit('/')).status).toBe(403)
  })

  test('may come from the access control lists of objects', async () => {
    const { visit, gateway, put, set } = await opened()
    await sendRaw(gateway.target, { method: 'DELETE', path: '/bucket', query: [['policy', '']] })
    expect((await visit('/')).status).toBe(403)
    await set(
      'ownershipControls',
      '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
    )
    await put('index.html', 'public', { 'x-amz-acl': 'public-read' })
    expect((await visit('/')).text).toBe('public')
    expect((await visit('/docs/')).status).toBe(403)
  })

  test('nobody is told of an index document that they may not read', async () => {
    const { visit, allow } = await opened()
    await allow(['s3:GetObject', 's3:ListBucket'], {
      Resource: ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/docs'],
    })
    expect((await visit('/docs')).status).toBe(404)
  })

  test('keys of clients are not taken, and what they have encrypted is not shown', async () => {
    const { visit, put } = await opened()
    const key = Buffer.alloc(32, 1)
    const name = 'x-amz-server-side-encryption-customer'
    const headers = {
      [`${name}-algorithm`]: 'AES256',
      [`${name}-key`]: key.toString('base64'),
      [`${name}-key-md5`]: createHash('md5').update(key).digest('base64'),
    }
    await put('secret', 'x', headers)
    const answer = await visit('/secret', { headers })
    expect([answer.status, answer.headers['x-amz-error-code']]).toEqual([400, 'InvalidRequest'])
  })
})

test('the S3 port shows no websites', async () => {
  const { gateway } = await opened()
  const headers = { host: 'bucket.web.example.org' }
  const answer = await sendUnsigned(gateway.target.endpoint, { url: '/', headers })
  expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
})
