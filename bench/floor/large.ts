/** Large bodies: hashed and written as they arrive, one flush; read into pooled 1 MiB buffers. */

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { Blake3Hasher } from '@napi-rs/blake-hash'

const bufferBytes = 1 << 20
const pool: Buffer[] = []
const files = new Map<string, { file: FileHandle; sizeBytes: number }>()

/** While the next chunk is hashed, one write is under way, as in a good server. */
export async function putLarge(
  directory: string,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const name = join(directory, `large-${path.replaceAll('/', '-')}`)
  const file = await open(name, 'w+')
  const md5 = createHash('md5')
  const blake3 = new Blake3Hasher()
  let sizeBytes = 0
  let gathered: Buffer[] = []
  let gatheredBytes = 0
  let writing: Promise<unknown> = Promise.resolve()
  const write = async (): Promise<void> => {
    const batch = gathered
    const offset = sizeBytes
    sizeBytes += gatheredBytes
    gathered = []
    gatheredBytes = 0
    await writing
    writing = file.writev(batch, offset)
  }
  for await (const chunk of request as AsyncIterable<Buffer>) {
    md5.update(chunk)
    blake3.update(chunk)
    gathered.push(chunk)
    gatheredBytes += chunk.length
    if (gatheredBytes >= bufferBytes) await write()
  }
  if (gatheredBytes > 0) await write()
  await writing
  await file.datasync()
  blake3.digestBuffer()
  const old = files.get(path)
  files.set(path, { file, sizeBytes })
  if (old !== undefined) await old.file.close()
  response.setHeader('ETag', `"${md5.digest('hex')}"`)
  response.end()
}

export async function getLarge(path: string, response: ServerResponse): Promise<void> {
  const entry = files.get(path)
  if (entry === undefined) {
    response.statusCode = 404
    response.end()
    return
  }
  response.setHeader('Content-Length', entry.sizeBytes)
  for (let offset = 0; offset < entry.sizeBytes; offset += bufferBytes) {
    const buffer = pool.pop() ?? Buffer.allocUnsafeSlow(bufferBytes)
    const wanted = Math.min(bufferBytes, entry.sizeBytes - offset)
    const { bytesRead } = await entry.file.read(buffer, 0, wanted, offset)
    // The buffer goes back to the pool once the socket has taken it.
    const more = response.write(buffer.subarray(0, bytesRead), () => pool.push(buffer))
    if (!more && !response.destroyed) await once(response, 'drain')
  }
  response.end()
}
