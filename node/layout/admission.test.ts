import { expect, test } from 'vitest'
import { clusterId, storageId } from '../../protocol/ids.ts'
import { StreamClock } from '../net/testing/fake-stream.ts'
import { generateNodeKey } from '../net/identity.ts'
import { JoinAdmission } from './admission.ts'
import type { AdmissionParts } from './admission.ts'
import { joinReply, joinRequest } from './join-messages.ts'

test('refused joiners do not fill the log', async () => {
  const clock = new StreamClock()
  const lines: Record<string, unknown>[] = []
  const warn = (fields: Record<string, unknown>): void => void lines.push(fields)
  const admission = new JoinAdmission({
    log: { view: { clusterId: clusterId('a'.repeat(32)) } },
    clock,
    logger: { debug() {}, info() {}, warn, error() {} },
    clusterSecret: () => new Uint8Array(32),
  } as unknown as AdmissionParts)
  const { nodeId } = generateNodeKey()
  const request = joinRequest.encode({
    kind: 'join',
    clusterId: clusterId('b'.repeat(32)),
    claim: { id: 'c'.repeat(16), epoch: 1 },
    proof: 'd'.repeat(64),
    member: {
      nodeId,
      storageId: storageId('e'.repeat(24)),
      zone: 'default',
      capacityBytes: 1,
      addresses: [],
    },
    after: 0,
    offset: 0,
  })
  const ask = async (): Promise<void> => {
    const reply = joinReply.decode(await admission.serve(nodeId, request))
    expect(reply).toMatchObject({ status: 'refused', code: 'other-cluster' })
  }
  for (let i = 0; i < 100; i++) await ask()
  expect(lines).toEqual([{ peer: nodeId, code: 'other-cluster', refused: 1 }])
  clock.advance(10_000)
  await ask()
  expect(lines.at(-1)).toMatchObject({ refused: 100 })
})
