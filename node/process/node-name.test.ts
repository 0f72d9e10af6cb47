import { describe, expect, it } from 'vitest'
import { defaultNodeName, NODE_NAME } from './node-name.ts'

describe('the default name of a node', () => {
  it.each([
    ['vm', './shoal-data', 'vm-shoal-data'],
    ['vm.example.org', '/var/lib/shoal/', 'vm-shoal'],
    ['vm', '/data/disk 1/node-0', 'vm-node-0'],
    ['', '/data', 'data'],
    ['vm', '/', 'vm'],
    ['', '/', 'node'],
    ['häst', '/dätä', 'h-st-d-t'],
    ['h'.repeat(80), `/${'d'.repeat(80)}`, `${'h'.repeat(32)}-${'d'.repeat(31)}`],
  ])('%j and %j: %s', (host, data, name) => {
    expect(defaultNodeName(host, data)).toBe(name)
    expect(name).toMatch(NODE_NAME)
  })
})
