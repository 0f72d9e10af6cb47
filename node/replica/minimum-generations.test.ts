import { beforeEach, describe, expect, test } from 'vitest'
import { LogError } from '../log/errors.ts'
import { HostLab, KEY, fence, ballot, state } from './testing/host-lab.ts'

let lab: HostLab

beforeEach(() => {
  lab = new HostLab()
})

describe('minima of buckets (T8)', () => {
  test('a higher generation is flushed before the answer, a lower one refused from its arrival on', async () => {
    await lab.prepare(5)
    lab.store.hold()
    const raised = lab.host.generations.raise(fence(3), [0])
    const partition = KEY.charCodeAt(0) * 256 + KEY.charCodeAt(1)
    const here = lab.host.generations.raise(fence(3), [partition])
    expect(await lab.accept(5, 'late', { generation: 2 })).toEqual({
      type: 'stale-fence',
      generation: 3,
    })
    // Nor is the same generation answered before the disk has it.
    const again = lab.host.generations
      .raise(fence(3), [partition])
      .then(() => ({ type: 'raised' }) as never)
    const same = lab.read(KEY, 3)
    expect([await state(again), await state(same)]).toEqual(['waits', 'waits'])
    await lab.store.flush()
    await Promise.all([raised, here])
    expect(await same).toEqual({ type: 'state' })
    lab.restart()
    expect(await lab.read(KEY, 2)).toEqual({ type: 'stale-fence', generation: 3 })
  })

  test('an accept that passed before is flushed before the raise is answered', async () => {
    await lab.prepare(5)
    lab.store.hold()
    lab.store.reverse = true
    const accepted = lab.accept(5, 'early')
    expect(await state(accepted)).toBe('waits')
    const partition = KEY.charCodeAt(0) * 256 + KEY.charCodeAt(1)
    const raised = lab.host.generations.raise(fence(1), [partition]).then(() => lab.read(KEY, 1))
    await lab.store.flush(1)
    expect(await state(raised)).toBe('waits')
    await lab.store.flush()
    expect(await accepted).toMatchObject({ type: 'accepted' })
    expect(await raised).toMatchObject({ accepted: { ballot: ballot(5) } })
  })

  test('while the mark is flushed the bucket may be closed: the accept is judged again', async () => {
    lab.store.hold()
    const accepted = lab.accept(5, 'one')
    expect(await state(accepted)).toBe('waits')
    const partition = KEY.charCodeAt(0) * 256 + KEY.charCodeAt(1)
    const raised = lab.host.generations.raise(fence(1), [partition])
    await lab.store.flush()
    await raised
    expect(await accepted).toEqual({ type: 'stale-fence', generation: 1 })
  })

  test('a raise that the disk refused raises nothing', async () => {
    lab.store.fail = new LogError('DISK_FULL', 'full')
    await expect(lab.host.generations.raise(fence(1), [0])).rejects.toBeInstanceOf(LogError)
    lab.store.fail = undefined
    expect(await lab.read()).toEqual({ type: 'state' })
  })
})
