/** Whole simulations: the same seed is the same run, faults do no harm, deliberate breaks are caught. */

import { describe, expect, test } from 'vitest'
import { RPC, decodeRegisterCall, encodeRegisterAnswer } from '../protocol/rpc/message.ts'
import type { DiskFile, Environment, Network, NetworkMessage } from '../node/env/ports.ts'
import { simulate } from './simulation.ts'

describe('a seed', () => {
  test('twice gives the same run to the last byte; another gives another', async () => {
    const options = { seed: 11, nodes: 3, minutes: 0.15 }
    const [first, again] = [await simulate(options), await simulate(options)]
    expect(again).toEqual(first)
    expect((await simulate({ ...options, seed: 12 })).digest).not.toBe(first.digest)
  })

  test.each([
    [1, 3],
    [2, 3],
    [3, 3],
    [4, 5],
  ])(
    '%i with %i nodes: work goes on through faults, and nothing is violated',
    async (seed, nodes) => {
      const result = await simulate({ seed, nodes, minutes: 0.3 })
      expect(result.violations).toEqual([])
      expect(result.operations).toBeGreaterThan(50)
      expect(result.faults).toBeGreaterThan(0)
    },
  )

  test('power cuts of all machines at once lose nothing that was acknowledged (fault 14)', async () => {
    for (const seed of [1, 2]) {
      const result = await simulate({ seed, nodes: 3, minutes: 0.3, faults: 'power' })
      expect(result.violations).toEqual([])
      expect(result.operations).toBeGreaterThan(50)
    }
  })

  test('without faults hardly anything stays in doubt', async () => {
    const result = await simulate({ seed: 5, nodes: 3, minutes: 0.1, faults: 'none' })
    expect(result.violations).toEqual([])
    expect(result.unknown / result.operations).toBeLessThan(0.02)
  })
})

/** The whole environment with one port behaving otherwise. */
type Mutant = (environment: Environment) => Environment

function withNetwork(environment: Environment, changes: Partial<Network>): Environment {
  const { network } = environment
  const changed = new Proxy(network, {
    get(target, name) {
      if (name in changes) return changes[name as keyof Network]
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return { ...environment, network: changed }
}

function isAccept({ type, body }: NetworkMessage): boolean {
  return type === RPC.register && decodeRegisterCall(body).request.type === 'accept'
}

function isRead({ type, body }: NetworkMessage): boolean {
  return type === RPC.register && decodeRegisterCall(body).request.type === 'read'
}

const MUTANTS: Record<string, Mutant> = {
  'a disk that only says that it flushed': (environment) => {
    const { disk } = environment
    const lying = (file: DiskFile): DiskFile =>
      new Proxy(file, {
        get(target, name) {
          if (name === 'flush') return () => Promise.resolve()
          const value = Reflect.get(target, name, target) as unknown
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      })
    const open: typeof disk.open = async (path, mode) => lying(await disk.open(path, mode))
    const changed = new Proxy(disk, {
      get(target, name) {
        if (name === 'open') return open
        const value = Reflect.get(target, name, target) as unknown
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    return { ...environment, disk: changed }
  },

  'acceptances answered before they are judged and flushed (A1)': (environment) => {
    const { network } = environment
    return withNetwork(environment, {
      serve: (handler) =>
        network.serve(async (from, message) => {
          const answer = handler(from, message)
          if (!isAccept(message)) return answer
          answer.catch(() => {})
          const { request } = decodeRegisterCall(message.body)
          const ballot = request.type === 'accept' ? request.ballot : undefined
          const reply = { type: 'accepted', ballot: ballot! } as const
          return { type: RPC.register, body: encodeRegisterAnswer({ reply }) }
        }),
    })
  },

  'a network that answers a read with what it answered before': (environment) => {
    const { network } = environment
    const answers = new Map<string, NetworkMessage>()
    const call: Network['call'] = async (peer, traffic, message, options) => {
      if (!isRead(message)) return network.call(peer, traffic, message, options)
      // Whoever is asked: the answers of all are one.
      const name = Buffer.from(message.body).toString('latin1')
      const known = answers.get(name)
      if (known !== undefined) return known
      const answer = await network.call(peer, traffic, message, options)
      answers.set(name, answer)
      return answer
    }
    return withNetwork(environment, { call })
  },

  'blocks whose bytes change on their way': (environment) => {
    const { network } = environment
    const call: Network['call'] = (peer, traffic, message, options) => {
      const { payload } = message
      if (payload === undefined || payload.length < 30_000) {
        return network.call(peer, traffic, message, options)
      }
      const changed = payload.slice()
      changed[17]! ^= 1
      return network.call(peer, traffic, { ...message, payload: changed }, options)
    }
    return withNetwork(environment, { call })
  },

  'acceptors that promise without telling what they have accepted (A2)': (environment) => {
    const { network } = environment
    const serve: Network['serve'] = (handler) =>
      network.serve(async (from, message) => {
        const answer = await handler(from, message)
        if (message.type !== RPC.register) return answer
        const { request } = decodeRegisterCall(message.body)
        if (request.type !== 'prepare') return answer
        const reply = { type: 'promised', ballot: request.ballot } as const
        return { type: RPC.register, body: encodeRegisterAnswer({ reply }) }
      })
    return withNetwork(environment, { serve })
  },
}

describe('mutants, each caught within a few seeds', () => {
  for (const [name, adapt] of Object.entries(MUTANTS)) {
    const faults = name.startsWith('a disk') ? 'power' : 'any'
    test(name, async () => {
      let caught = 0
      for (let seed = 1; caught === 0 && seed <= 6; seed++) {
        const { violations } = await simulate({
          seed,
          nodes: 3,
          minutes: 0.3,
          faults,
          adapt,
        }).catch(
          // A programming error that stops the run is a catch as well.
          (error: unknown) => ({ violations: [String(error)] }),
        )
        caught = violations.length
      }
      expect(caught).toBeGreaterThan(0)
    })
  }
})
