/**
 * `npm run bench:checksums`: what each digest of a body costs one processor, in MB a second of CPU time.
 * Every upload pays for MD5, and for CRC64NVME when its client declares no other checksum.
 */

import { CHECKSUM_ALGORITHMS, createChecksum } from '../gateway/body/checksum.ts'

const BYTES = 400 * 1024 * 1024
const SIZES = [1024, 64 * 1024, 1024 * 1024]

interface Digest {
  update(bytes: Uint8Array): unknown
  digest(): Uint8Array
}

const kinds: (readonly [name: string, make: () => Digest])[] = CHECKSUM_ALGORITHMS.map((name) => [
  name,
  () => createChecksum(name),
])

function megabytesPerSecond(make: () => Digest, bytes: Uint8Array): number {
  const times = Math.ceil(BYTES / bytes.length)
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const digest = make()
      digest.update(bytes)
      digest.digest()
    }
  }
  run(Math.ceil(times / 10))
  const before = process.cpuUsage()
  run(times)
  const { user, system } = process.cpuUsage(before)
  return Math.round((times * bytes.length) / (user + system))
}

process.stdout.write(`| bytes a body | ${kinds.map(([name]) => name).join(' | ')} |\n`)
process.stdout.write(`| --- |${' --- |'.repeat(kinds.length)}\n`)
for (const size of SIZES) {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at++) bytes[at] = (at * 2_654_435_761) >>> 24
  const cells = kinds.map(([, make]) => megabytesPerSecond(make, bytes))
  process.stdout.write(`| ${size} | ${cells.join(' | ')} |\n`)
}
