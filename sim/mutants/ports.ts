/** Breaks at the ports of a node: a disk that lies, and a network that changes messages. */

import { decodeRegisterCall, encodeRegisterAnswer, RPC } from '../../protocol/rpc/message.ts'
import type { RegisterRequest } from '../../protocol/register/types.ts'
import type { DiskFile, NetworkMessage } from '../../node/env/ports.ts'
import { withMethods, withNetwork } from '../testing/changed-ports.ts'
import { simulated, type NodeMutant } from './mutant.ts'

function typeOf({ type, body }: NetworkMessage): RegisterRequest['type'] | undefined {
  return type === RPC.register ? decodeRegisterCall(body).request.type : undefined
}

const OBJECTS = simulated({ workloads: ['objects'] })

export const PORT_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'flush-that-only-says-so',
    rule: 'A1',
    breaks: 'a disk only says that it has flushed',
    by: 'histories of objects, after power cuts',
    scenario: simulated({ workloads: ['objects'], faults: 'power' }),
    caughtAs: /./,
    seedsMax: 6,
    slow: true,
    adapt: (environment) => {
      const { disk } = environment
      const lying = (file: DiskFile): DiskFile =>
        withMethods(file, { flush: () => Promise.resolve() })
      return {
        ...environment,
        disk: withMethods(disk, {
          open: async (path, mode) => lying(await disk.open(path, mode)),
        }),
      }
    },
  },
  {
    name: 'accepted-before-it-is-judged',
    rule: 'A1',
    breaks: 'an accept is answered before the acceptor has checked and flushed it',
    by: 'histories of objects, checker A',
    scenario: OBJECTS,
    caughtAs: /linearizable|ballot|replaced|disagree|level/,
    seedsMax: 6,
    slow: true,
    adapt: (environment) => {
      const { network } = environment
      return withNetwork(environment, {
        serve: (handler) =>
          network.serve(async (from, message) => {
            const answer = handler(from, message)
            if (typeOf(message) !== 'accept') return answer
            answer.catch(() => {})
            const { request } = decodeRegisterCall(message.body)
            const ballot = request.type === 'accept' ? request.ballot : undefined
            const reply = { type: 'accepted', ballot: ballot! } as const
            return { type: RPC.register, body: encodeRegisterAnswer({ reply }) }
          }),
      })
    },
  },
  {
    name: 'old-answers-to-reads',
    rule: 'R1',
    breaks: 'the network answers a read with what it answered before',
    by: 'histories of objects, checker A',
    scenario: OBJECTS,
    caughtAs: /linearizable|known/,
    seedsMax: 6,
    slow: true,
    adapt: (environment) => {
      const { network } = environment
      const answers = new Map<string, NetworkMessage>()
      return withNetwork(environment, {
        call: async (peer, traffic, message, options) => {
          if (typeOf(message) !== 'read') return network.call(peer, traffic, message, options)
          // Answers are kept by request, whichever node gave them.
          const name = Buffer.from(message.body).toString('latin1')
          const known = answers.get(name)
          if (known !== undefined) return known
          const answer = await network.call(peer, traffic, message, options)
          answers.set(name, answer)
          return answer
        },
      })
    },
  },
  {
    name: 'bytes-changed-on-their-way',
    rule: 'R4',
    breaks: 'the network flips a bit of each larger block',
    by: 'contents of objects',
    scenario: OBJECTS,
    caughtAs: /wrong bytes/,
    seedsMax: 6,
    adapt: (environment) => {
      const { network } = environment
      return withNetwork(environment, {
        call: (peer, traffic, message, options) => {
          const { payload } = message
          if (payload === undefined || payload.length < 30_000) {
            return network.call(peer, traffic, message, options)
          }
          const changed = payload.slice()
          changed[17]! ^= 1
          return network.call(peer, traffic, { ...message, payload: changed }, options)
        },
      })
    },
  },
  {
    name: 'promise-without-accepted',
    rule: 'A2',
    breaks: 'acceptors promise without telling what they have accepted',
    by: 'histories of objects, checker A',
    scenario: OBJECTS,
    caughtAs: /linearizable|replaced|absent/,
    seedsMax: 6,
    slow: true,
    adapt: (environment) => {
      const { network } = environment
      return withNetwork(environment, {
        serve: (handler) =>
          network.serve(async (from, message) => {
            const answer = await handler(from, message)
            if (typeOf(message) !== 'prepare') return answer
            const { request } = decodeRegisterCall(message.body)
            if (request.type !== 'prepare') return answer
            const reply = { type: 'promised', ballot: request.ballot } as const
            return { type: RPC.register, body: encodeRegisterAnswer({ reply }) }
          }),
      })
    },
  },
]
