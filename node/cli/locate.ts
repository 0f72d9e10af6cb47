/** `shoal locate s3://bucket/key`: which nodes hold an object's metadata, by the layout and by the DHT. */

import type { LocateResult } from '../../gateway/port/locate-result.ts'
import { UsageError } from '../tools/usage-error.ts'
import type { AdminClient } from './admin-client.ts'
import { shortNode, textTable } from './table.ts'
import { printable, type Terminal } from './terminal.ts'

/**
 * Splits 's3://bucket/key'. The key is not decoded, so it is the object's key as it is. Throws
 * UsageError.
 */
export function parseS3Url(url: string): { bucket: string; key: string } {
  const match = /^s3:\/\/([^/]+)\/(.+)$/s.exec(url)
  if (match === null) throw new UsageError(`'${url.slice(0, 80)}' is not s3://BUCKET/KEY`)
  return { bucket: match[1] as string, key: match[2] as string }
}

/**
 * Prints where the object's metadata is kept. Returns exit code 1 when layout and DHT give different
 * nodes.
 */
export async function runLocate(
  client: AdminClient,
  url: string,
  options: { readonly json: boolean },
  terminal: Terminal,
): Promise<number> {
  const { bucket, key } = parseS3Url(url)
  const result = await client.locate(bucket, key)
  if (options.json) terminal.out(JSON.stringify(result))
  else for (const line of locateLines(result)) terminal.out(line)
  return result.byWalk !== undefined && !result.agree ? 1 : 0
}

/** One row for each node that either of the two ways names. */
export function locateLines(result: LocateResult): string[] {
  const { byWalk } = result
  const onlyWalk = (byWalk?.replicas ?? []).filter(
    (node) => !result.byLayout.some((each) => each.node === node),
  )
  const walked = (node: string): string =>
    byWalk === undefined ? '?' : byWalk.replicas.includes(node) ? 'yes' : 'no'
  return [
    printable(`s3://${result.bucket}/${result.key}`),
    `hash       ${result.hash}`,
    `partition  ${result.partition}, epoch ${result.epoch}`,
    '',
    ...textTable(
      [{ title: 'NODE' }, { title: 'XOR DISTANCE' }, { title: 'LAYOUT' }, { title: 'DHT' }],
      [
        ...result.byLayout.map(({ node, distance }) => [
          labelOf(result, node),
          distance.length > 24 ? `${distance.slice(0, 24)}…` : distance,
          'yes',
          walked(node),
        ]),
        ...onlyWalk.map((node) => [labelOf(result, node), '', 'no', 'yes']),
      ],
    ),
    '',
    verdict(result),
  ]
}

/** The name of a node, or its id when the layout does not have it. */
function labelOf({ names }: LocateResult, node: string): string {
  return names[node] ?? shortNode(node)
}

function verdict(result: LocateResult): string {
  const { byWalk, agree } = result
  if (byWalk === undefined) return 'no node has announced this part of the keyspace in the DHT yet'
  const way = `asked ${printable(labelOf(result, byWalk.provider))} after ${byWalk.hops} hops`
  return agree ? `layout and DHT agree (${way})` : `layout and DHT DISAGREE (${way})`
}
