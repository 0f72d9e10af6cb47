/** The admin port: changes of the layout. */

import { describe, expect, test } from 'vitest'
import { LayoutRefusal } from '../port/layout.ts'
import { adminWorld, EXAMPLE_LOSSES, WITH_CREDENTIAL } from '../testing/admin-world.ts'

const { start, errors, changes } = adminWorld()

describe('changes of the layout', () => {
  test('are planned and begun', async () => {
    const ask = await start()
    const send = (path: string, change: unknown) =>
      ask('POST', path, WITH_CREDENTIAL, JSON.stringify(change))
    const both = [
      { kind: 'drain', node: 'b' },
      { kind: 'drain', node: 'b', force: true },
      { kind: 'remove', node: 'b', force: true },
      { kind: 'replace', node: 'b', by: 'c' },
      { kind: 'set', node: 'b', name: 'n', zone: 'z', capacityBytes: 2 ** 30 },
      { kind: 'replication', replication: 5 },
      { kind: 'replication', replication: 5, force: true },
    ]
    for (const change of both) {
      expect((await send('/layout/plan', change)).text).toBe('{"movedBytes":3}\n')
      expect(JSON.parse((await send('/layout/change', change)).text)).toMatchObject({ epoch: 8 })
      expect(changes.splice(0)).toEqual([change, change])
    }
    const onPaper = [
      { kind: 'add', zone: 'z', capacityBytes: 2 ** 40 },
      { kind: 'replace', node: 'b', zone: 'z', capacityBytes: 2 ** 40 },
    ]
    for (const change of onPaper) {
      expect((await send('/layout/plan', change)).status).toBe(200)
      expect((await send('/layout/change', change)).status).toBe(400)
      expect(changes.splice(0)).toEqual([change])
    }
    expect(JSON.parse((await ask('DELETE', '/layout/change')).text)).toMatchObject({ epoch: 9 })
  })
})

describe('changes that are refused', () => {
  test.each([
    ['', /not JSON$/],
    ['[]', /not a JSON object$/],
    ['null', /not a JSON object$/],
    ['{"kind":"drain","node":"b"', /not JSON$/],
    ['{"kind":"explode"}', /^kind must be drain, remove, replace, set or replication/],
    ['{"kind":"drain"}', /^node must be the name of a node, or the end of its id$/],
    ['{"kind":"drain","node":""}', /^node must be/],
    ['{"kind":"drain","node":["b"]}', /^node must be/],
    ['{"kind":"drain","node":"a b"}', /^node must be/],
    ['{"kind":"drain","node":"b","zone":"z"}', /^unknown field "zone": node, force are known$/],
    ['{"kind":"drain","node":"b","__proto__":1}', /^unknown field "__proto__"/],
    ['{"kind":"remove","node":"b","force":"yes"}', /^force must be true or false$/],
    ['{"kind":"set","node":"b"}', /^set: give --zone, --capacity or --name$/],
    ['{"kind":"set","node":"b","zone":"a b"}', /^zone must have/],
    ['{"kind":"set","node":"b","capacityBytes":1}', /^capacityBytes must be/],
    ['{"kind":"set","node":"b","capacityBytes":1e30}', /^capacityBytes must be/],
    ['{"kind":"set","node":"b","capacityBytes":"1TiB"}', /^capacityBytes must be/],
    ['{"kind":"replication","replication":0}', /^replication must be/],
    ['{"kind":"replication","replication":2.5}', /^replication must be/],
    ['{"kind":"replication","replication":8}', /^replication must be/],
  ])('an invalid change changes nothing: %s', async (body, expected) => {
    const ask = await start()
    for (const path of ['/layout/plan', '/layout/change']) {
      const answer = await ask('POST', path, WITH_CREDENTIAL, body)
      expect(answer.status).toBe(400)
      expect((JSON.parse(answer.text) as { error: string }).error).toMatch(expected)
    }
    expect(changes).toEqual([])
  })

  test('by the backend, or because the body is too large', async () => {
    const refuse = (status: 400 | 404 | 409) => () =>
      Promise.reject(new LayoutRefusal(status, `do that instead ${status}`))
    const ask = await start({
      planChange: refuse(404),
      applyChange: refuse(409),
      cancelChange: refuse(400),
    })
    const drain = '{"kind":"drain","node":"b"}'
    const answers = [
      await ask('POST', '/layout/plan', WITH_CREDENTIAL, drain),
      await ask('POST', '/layout/change', WITH_CREDENTIAL, drain),
      await ask('DELETE', '/layout/change'),
    ]
    expect(answers.map(({ status }) => status)).toEqual([404, 409, 400])
    expect(answers[1]?.text).toBe('{"error":"do that instead 409"}\n')
    const long = await ask('POST', '/layout/change', WITH_CREDENTIAL, ' '.repeat(5_000))
    expect(long.status).toBe(413)
    expect(errors).toEqual([])
  })
})

describe('losses', () => {
  test('are shown, and accepted by the id of the report', async () => {
    const ask = await start()
    expect((await ask('GET', '/layout/losses')).text).toBe(`${JSON.stringify(EXAMPLE_LOSSES)}\n`)
    const accept = (body: string): Promise<{ status: number }> =>
      ask('POST', '/layout/losses', WITH_CREDENTIAL, body)
    expect((await accept('{"id":"0123456789abcdef"}')).status).toBe(200)
    for (const body of ['', '{}', '{"id":"0123"}', '{"id":"0123456789abcdef","force":true}']) {
      expect((await accept(body)).status).toBe(400)
    }
  })
})
