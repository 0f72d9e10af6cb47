/** The cluster secrets of a node, kept in its node.json. */

import type { NodeRecord } from './node-record.ts'
import type { SecretStore } from '../layout/secret-office.ts'

/** `remember` is durable when it returns. */
export function secretStore(
  record: () => Pick<NodeRecord, 'clusterSecret' | 'moreSecrets'>,
  remember: (changes: { clusterSecret?: string; moreSecrets?: string[] }) => void,
): SecretStore {
  return {
    get() {
      const { clusterSecret } = record()
      return clusterSecret === undefined ? undefined : bytesOf(clusterSecret)
    },
    set: (secret) => remember({ clusterSecret: textOf(secret) }),
    more: {
      get: () => (record().moreSecrets ?? []).map(bytesOf),
      set: (secrets) => remember({ moreSecrets: secrets.map(textOf) }),
    },
  }
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function textOf(secret: Uint8Array): string {
  return Buffer.from(secret).toString('base64')
}
