/** What tests of the website port work with: a gateway with both ports, and a public bucket that is a website. */

import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { sendRaw, sendUnsigned, type RawResponse } from '../conformance/world.ts'
import type { TestGateway } from './gateway.ts'

export const INDEX = '<IndexDocument><Suffix>index.html</Suffix></IndexDocument>'
const HOST = 'bucket.web.example.org'

export interface Visit {
  readonly method?: string
  readonly host?: string
  readonly headers?: Record<string, string>
}

export interface Site {
  readonly gateway: TestGateway
  readonly url: string
  /** Sends a request to the website port. */
  readonly visit: (path: string, visit?: Visit) => Promise<RawResponse>
  /** Stores an object by S3. */
  readonly put: (
    key: string,
    text: string,
    headers?: Record<string, string>,
  ) => Promise<RawResponse>
  /** Sends a document to the bucket `bucket` by S3. */
  readonly set: (setting: string, document: string) => Promise<void>
  /** Sends the setting of the website, without its root. */
  readonly setWebsite: (content: string) => Promise<void>
  /** Lets everyone do these actions in the bucket, and whatever else `more` says of the statement. */
  readonly allow: (actions: readonly string[], more?: object) => Promise<void>
}

/** The bucket `bucket` of this gateway becomes a website that everyone may read. */
export async function openSite(gateway: TestGateway, content = INDEX): Promise<Site> {
  const { target } = gateway
  const { url } = await gateway.gateway.listenForWebsites({ host: '127.0.0.1', port: 0 })
  const set: Site['set'] = async (setting, document) => {
    const body = [Buffer.from(document)]
    const message = { method: 'PUT', path: '/bucket', query: [[setting, '']] as [string, string][] }
    const headers = { 'content-md5': createHash('md5').update(document).digest('base64') }
    const answer = await sendRaw(target, { ...message, headers, body })
    expect(answer.status, answer.text).toBeLessThan(300)
  }
  const site: Site = {
    gateway,
    url,
    set,
    visit: (path, { method = 'GET', host = HOST, headers = {} } = {}) =>
      sendUnsigned(url, { method, url: path, headers: { host, ...headers } }),
    put: (key, text, headers = {}) =>
      sendRaw(target, {
        method: 'PUT',
        path: `/bucket/${key}`,
        headers,
        body: [Buffer.from(text)],
      }),
    setWebsite: (document) =>
      set('website', `<WebsiteConfiguration>${document}</WebsiteConfiguration>`),
    allow: (actions, more = {}) =>
      set(
        'policy',
        JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: '*',
              Action: actions,
              Resource: ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/*'],
              ...more,
            },
          ],
        }),
      ),
  }
  await site.setWebsite(content)
  await site.allow(['s3:GetObject'])
  return site
}
