/** All keys of a bucket with their sizes, page by page, by the raw client. */

import { xmlTexts, type RawClient } from '../../bench/harness/s3.ts'

export async function listAll(client: RawClient, bucket: string): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  let token: string | undefined
  do {
    const query: Record<string, string> = { 'list-type': '2', 'encoding-type': 'url' }
    if (token !== undefined) query['continuation-token'] = token
    const xml = (await client.must({ method: 'GET', bucket, query })).body.toString('utf8')
    for (const [, entry = ''] of xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const key = decodeURIComponent((xmlTexts(entry, 'Key')[0] ?? '').replaceAll('+', ' '))
      if (found.has(key)) throw new Error(`${key} is listed twice`)
      found.set(key, Number(xmlTexts(entry, 'Size')[0]))
    }
    token = xmlTexts(xml, 'NextContinuationToken')[0]
  } while (token !== undefined)
  return found
}
