/** Forms of browsers that never end, and forms of strangers whose policies are hard to check. */

import { once } from 'node:events'
import { encodeForm, FORM_TYPE, partsOf, policyField } from '../../../gateway/testing/forms.ts'
import { slowly } from './bodies.ts'
import { Attacker, headOf, tally } from './sockets.ts'

const ANNOUNCED_BYTES = 2 ** 40

function formHead(endpoint: string, bucket: string, contentLength: number): string {
  return headOf(endpoint, { method: 'POST', bucket, headers: FORM_TYPE, contentLength })
}

/** Without a signature: whose they are would be known at the end of their fields, which never comes. */
export function slowUploadForms(endpoint: string, bucket: string, forMs: number): Promise<string> {
  const head = formHead(endpoint, bucket, ANNOUNCED_BYTES)
  return slowly(endpoint, Array<string>(1_100).fill(head), forMs)
}

/** Eight at once, again and again: as many conditions as fit, each on a list of as many members as fit. */
export async function hardUploadForms(
  endpoint: string,
  bucket: string,
  forMs: number,
): Promise<string> {
  const any = ['starts-with', '$content-type', '']
  const policy = policyField([{ bucket }, ...Array<unknown>(250).fill(any)])
  const fields = { key: 'k', 'content-type': ','.repeat(6_000), policy }
  const body = encodeForm(partsOf(fields, 'x'))
  const head = formHead(endpoint, bucket, body.length)
  const attackers: Attacker[] = []
  const until = performance.now() + forMs
  const again = async (): Promise<void> => {
    while (performance.now() < until) {
      const attacker = new Attacker(endpoint).read()
      attackers.push(attacker)
      attacker.send(head)
      attacker.send(body)
      const { socket } = attacker
      await Promise.race([once(socket, 'data'), once(socket, 'close')])
      socket.destroy()
    }
  }
  await Promise.all(Array.from({ length: 8 }, again))
  return tally(attackers)
}
