import { describe, expect, it } from 'vitest'
import { LineWriter, type LineWriterOptions } from './line-writer.ts'

type Done = (error: Error | null, count: number) => void

function make(options: Partial<LineWriterOptions>): LineWriter {
  return new LineWriter({
    writeSync: (bytes) => bytes.length,
    write: () => {},
    mayBlock: false,
    lostLine: (count) => `${count} lost\n`,
    monotonicMs: () => 0,
    ...options,
  })
}

describe('a line that can not be written', () => {
  it.each(['ENOSPC', 'EIO', 'EPIPE', 'EAGAIN'])('is lost, and counted: %s', (code) => {
    const written: string[] = []
    let fails = true
    const writer = make({
      writeSync(bytes) {
        if (fails) throw Object.assign(new Error(code), { code })
        written.push(Buffer.from(bytes).toString())
        return bytes.length
      },
    })
    writer.write('a\n')
    writer.write('b\n')
    fails = false
    writer.write('c\n')
    writer.write('d\n')
    expect(written).toEqual(['2 lost\nc\n', 'd\n'])
  })

  it('waits for a stopped reader in bounded memory', () => {
    const pending: { bytes: Uint8Array; done: Done }[] = []
    const writer = make({ mayBlock: true, write: (bytes, done) => pending.push({ bytes, done }) })
    const line = `${'x'.repeat(1023)}\n`
    for (let i = 0; i < 5_000; i++) writer.write(line)
    expect(pending).toHaveLength(1)
    pending[0]!.done(null, pending[0]!.bytes.length)
    expect(pending[1]!.bytes.length).toBe(1 << 20)
    pending[1]!.done(null, 1 << 20)
    writer.write('after\n')
    expect(Buffer.from(pending[2]!.bytes).toString()).toBe('3975 lost\nafter\n')
    expect(pending).toHaveLength(3)
  })

  it('goes on after a short write, and loses a batch that fails', () => {
    const pending: { bytes: Uint8Array; done: Done }[] = []
    const writer = make({ mayBlock: true, write: (bytes, done) => pending.push({ bytes, done }) })
    writer.write('abc\n')
    pending[0]!.done(null, 1)
    expect(Buffer.from(pending[1]!.bytes).toString()).toBe('bc\n')
    writer.write('d\n')
    pending[1]!.done(new Error('EPIPE'), 0)
    pending[2]!.done(null, 2)
    writer.write('e\n')
    expect(Buffer.from(pending[3]!.bytes).toString()).toBe('1 lost\ne\n')
  })

  it('is written when the process ends, unless the reader is stuck', () => {
    let nowMs = 0
    const written: string[] = []
    const lines = (): LineWriter => {
      const writer = make({
        mayBlock: true,
        monotonicMs: () => nowMs,
        writeSync(bytes) {
          written.push(Buffer.from(bytes).toString())
          return bytes.length
        },
      })
      writer.write('under way\n')
      writer.write('last\n')
      return writer
    }
    lines().end()
    expect(written).toEqual(['last\n'])
    const stuck = lines()
    nowMs = 5_000
    stuck.end()
    expect(written).toEqual(['last\n'])
  })
})
