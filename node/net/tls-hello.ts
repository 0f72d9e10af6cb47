/**
 * The beginning of a TLS handshake that a peer has dialled. It is looked at before OpenSSL is given the connection,
 * because OpenSSL gathers a hello of up to 128 KiB for a peer that nothing is known of.
 */

import type { Socket } from 'node:net'
import type { MessageStream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { HandshakeRefused } from './errors.ts'

/** A record: type (1), version (2), length (2). A message in it: type (1), length (3). */
const RECORD_HEADER_BYTES = 5
const RECORD_LENGTH_AT = 3
const MESSAGE_HEADER_BYTES = 4
const HANDSHAKE_RECORD = 22
const CLIENT_HELLO = 1

/** A connection that nobody reads from, and whose bytes therefore gather in `readBuffer`. */
export interface UnreadConnection extends MessageStream {
  readonly socket: Socket
  readonly readBuffer: Uint8ArrayList
}

/**
 * Resolves when the header of a hello has come that fits into its record, which is at most 16 KiB. Rejects when it does
 * not, when the connection closes first, or when the signal says so.
 */
export async function helloOf(
  connection: UnreadConnection,
  signal: AbortSignal | undefined,
): Promise<void> {
  const type = await beginning(connection, RECORD_HEADER_BYTES + 1, signal)
  if (type[0] !== HANDSHAKE_RECORD || type[RECORD_HEADER_BYTES] !== CLIENT_HELLO) {
    throw new HandshakeRefused('the peer did not begin with a hello of TLS')
  }
  const recordBytes = type.readUInt16BE(RECORD_LENGTH_AT)
  if (recordBytes < MESSAGE_HEADER_BYTES)
    throw new HandshakeRefused('a hello of TLS comes in pieces')
  const header = await beginning(connection, RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES, signal)
  const helloBytes = MESSAGE_HEADER_BYTES + header.readUIntBE(RECORD_HEADER_BYTES + 1, 3)
  if (helloBytes > recordBytes) throw new HandshakeRefused('a hello of TLS is too long')
}

/** The first bytes that the connection receives, as many as asked for. They stay where they are. */
async function beginning(
  connection: UnreadConnection,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  await received(connection, bytes, signal)
  return Buffer.from(connection.readBuffer.subarray(0, bytes))
}

function received(
  connection: UnreadConnection,
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { socket, readBuffer } = connection
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (readBuffer.byteLength >= bytes) end(resolve)
    }
    const closed = (): void => end(() => reject(new Error('the peer has closed the connection')))
    const aborted = (): void => end(() => reject(new Error('the handshake took too long')))
    const end = (then: () => void): void => {
      socket.off('data', look)
      connection.removeEventListener('close', closed)
      signal?.removeEventListener('abort', aborted)
      then()
    }
    // The connection has listened for data longer, so its buffer has it by then.
    socket.on('data', look)
    connection.addEventListener('close', closed)
    signal?.addEventListener('abort', aborted)
    if (connection.status !== 'open') closed()
    else if (signal?.aborted === true) aborted()
    else look()
  })
}
