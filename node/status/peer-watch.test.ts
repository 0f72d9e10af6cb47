import { expect, test } from 'vitest'
import { nodeId, type NodeId } from '../../protocol/ids.ts'
import type { Logger } from '../env/ports.ts'
import { PeerWatch } from './peer-watch.ts'

test('a node that has left is no part of what it watches: nothing is lost to it', () => {
  const lines: string[] = []
  const logger: Logger = {
    debug() {},
    info: (_, message) => void lines.push(message),
    warn: (_, message) => void lines.push(message),
    error() {},
  }
  const [self, a, b] = ['NodeSeif1', 'NodeNodeA', 'NodeNodeB'].map(nodeId)
  const up = new Set<NodeId>([self!, a!, b!])
  let members = [self!, a!, b!]
  const watch = new PeerWatch({
    logger,
    self: self!,
    members: () => members,
    connected: (peer) => up.has(peer),
  })
  watch.look()
  expect(lines.splice(0)).toEqual(['a majority of the members is up'])
  members = [a!, b!]
  watch.look()
  // Members close connections to a node that is not one of them.
  for (const peer of [a!, b!]) {
    up.delete(peer)
    watch.note({ type: 'down', peer })
  }
  expect(lines).toEqual([])
  members = [self!, a!, b!]
  watch.look()
  expect(lines).toEqual(['the majority of the members is lost: most requests get 503'])
})

test('a line for each member and for the majority, when it is lost and when it is back', () => {
  const lines: string[] = []
  const say =
    (level: string) =>
    (_: unknown, message: string): void =>
      void lines.push(`${level} ${message}`)
  const logger: Logger = { debug() {}, info: say('info'), warn: say('warn'), error() {} }
  const [self, a, b, stranger] = ['NodeSeif1', 'NodeNodeA', 'NodeNodeB', 'NodeNodeC'].map(nodeId)
  const up = new Set<NodeId>([self!])
  const watch = new PeerWatch({
    logger,
    self: self!,
    members: () => [self!, a!, b!],
    connected: (peer) => up.has(peer),
  })
  const event = (type: 'up' | 'down', peer: NodeId): string[] => {
    if (type === 'up') up.add(peer)
    else up.delete(peer)
    watch.note({ type, peer })
    return lines.splice(0)
  }
  watch.look()
  expect(event('up', a!)).toEqual(['info a member is up', 'info a majority of the members is up'])
  expect(event('up', b!)).toEqual(['info a member is up'])
  expect(event('up', stranger!)).toEqual([])
  expect(event('down', a!)).toEqual(['warn a member is lost'])
  expect(event('down', b!)).toEqual([
    'warn a member is lost',
    'warn the majority of the members is lost: most requests get 503',
  ])
  expect(event('up', a!)).toEqual(['info a member is back', 'info a majority of the members is up'])
})
