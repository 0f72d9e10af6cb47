/** All keys of a bucket with their sizes, page by page, by the raw client. */

import type { RawClient } from '../../bench/harness/s3.ts'

export async function listAll(client: RawClient, bucket: string): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  let token: string | undefined
  do {
    const query: Record<string, string> = { 'list-type': '2', 'encoding-type': 'url' }
    if (token !== undefined) query['continuation-token'] = token
    const xml = (await client.must({ method: 'GET', bucket, query })).body.toString('utf8')
    for (const [, entry = ''] of xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const key = decodeURIComponent((field(entry, 'Key') ?? '').replaceAll('+', ' '))
      if (found.has(key)) throw new Error(`${key} is listed twice`)
      found.set(key, Number(field(entry, 'Size')))
    }
    token = field(xml, 'NextContinuationToken')
  } while (token !== undefined)
  return found
}

function field(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.replaceAll('&amp;', '&')
}
