/** One attack as a process of its own, so that it takes no time from who measures: `attacker.ts JSON`. */

import type { Credentials } from '../../../bench/harness/sign.ts'
import { emptyElements, slowAnonymous, slowForms, slowSigned } from './bodies.ts'
import { createKey, simulatePolicies } from './policies.ts'
import { pipelined, slowReaders } from './reads.ts'
import { resetStreams } from './streams.ts'
import { hardUploadForms, slowUploadForms } from './upload-forms.ts'

export type AttackName =
  | 'slow anonymous'
  | 'slow signed'
  | 'slow forms'
  | 'slow upload forms'
  | 'hard upload forms'
  | 'elements, signed'
  | 'elements, anonymous'
  | 'simulation'
  | 'key check'
  | 'pipelined'
  | 'slow readers'
  | 'streams'

export interface AttackOrder {
  readonly name: AttackName
  readonly endpoint: string
  /** The address of a node's peer port. */
  readonly peer: string
  /** Anybody may read it. */
  readonly open: string
  readonly user: Credentials
  readonly maker: Credentials | undefined
  readonly readers: number
  readonly streams: number
  readonly hugeBytes: number
  readonly forMs: number
}

function run(order: AttackOrder): Promise<string> {
  const { endpoint, open, user, forMs } = order
  switch (order.name) {
    case 'slow anonymous':
      return slowAnonymous(endpoint, open, forMs)
    case 'slow signed':
      return slowSigned(endpoint, open, user, forMs)
    case 'slow forms':
      return slowForms(endpoint, user.accessKeyId, forMs)
    case 'slow upload forms':
      return slowUploadForms(endpoint, open, forMs)
    case 'hard upload forms':
      return hardUploadForms(endpoint, open, forMs)
    case 'elements, signed':
      return emptyElements(endpoint, open, user)
    case 'elements, anonymous':
      return emptyElements(endpoint, open, undefined)
    case 'simulation':
      return simulatePolicies(endpoint, user)
    case 'key check':
      return createKey(endpoint, order.maker ?? user)
    case 'pipelined':
      return pipelined(endpoint, open, user, forMs)
    case 'slow readers': {
      const { readers, hugeBytes: sizeBytes } = order
      return slowReaders(endpoint, open, user, { readers, sizeBytes, forMs })
    }
    case 'streams':
      return resetStreams(order.peer, order.streams)
  }
}

console.log(await run(JSON.parse(process.argv[2] ?? '') as AttackOrder))
process.exit(0)
