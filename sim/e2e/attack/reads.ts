/** Answers that are asked for and not read. */

import { pauseMs } from '../../../bench/harness/process.ts'
import type { Credentials } from '../../../bench/harness/sign.ts'
import { Attacker, headOf, tally } from './sockets.ts'

/** Many GETs of 8 MiB on one connection, none of which is read; then the connection is dropped. */
export async function pipelined(
  endpoint: string,
  bucket: string,
  user: Credentials,
  forMs: number,
): Promise<string> {
  const attacker = new Attacker(endpoint)
  attacker.send(headOf(endpoint, { method: 'GET', bucket, key: 'huge' }, user).repeat(400))
  await pauseMs(forMs)
  attacker.socket.destroy()
  return '400 sent, none read'
}

/** Readers on connections of their own, who take a little at a time: each is served to its end. */
export async function slowReaders(
  endpoint: string,
  bucket: string,
  user: Credentials,
  options: { readers: number; sizeBytes: number; forMs: number },
): Promise<string> {
  const readers = Array.from({ length: options.readers }, () => new Attacker(endpoint))
  const head = headOf(endpoint, { method: 'GET', bucket, key: 'huge' }, user)
  const wanted = options.sizeBytes
  const isDone = ({ isClosed, receivedBytes }: Attacker): boolean =>
    isClosed || receivedBytes >= wanted
  for (const reader of readers) {
    reader.read().send(head)
    reader.socket.pause()
  }
  // In turns: what the kernel holds is taken, then nothing for a while.
  const roundMs = Math.max(50, options.forMs / (options.sizeBytes / (1 << 20)))
  const deadlineMs = performance.now() + 6 * options.forMs
  while (readers.some((reader) => !isDone(reader)) && performance.now() < deadlineMs) {
    for (const { socket } of readers) socket.resume()
    await pauseMs(20)
    for (const { socket } of readers) socket.pause()
    await pauseMs(roundMs)
  }
  const served = readers.filter(({ receivedBytes }) => receivedBytes >= wanted).length
  for (const { socket } of readers) socket.destroy()
  if (served < options.readers) return `FAILED: ${served} of ${options.readers}, ${tally(readers)}`
  return `${served} of ${options.readers} served`
}
