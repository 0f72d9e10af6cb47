/** Clients of a history: each call is noted with the time before it was sent and after its answer. */

import {
  s3ErrorCode,
  type RawClient,
  type S3Reply,
  type BenchRequest,
} from '../../../bench/harness/s3.ts'
import type { HistoryCall } from '../../checkers/linearizability.ts'

export const CLIENT_TIMEOUT_MS = 15_000

/** A step's answer as the model knows it; 'nothing': the call had no effect and said nothing of the state. */
export type HistoryVerdict<Step> = Step | 'unknown' | 'nothing'

/** The history of one key, or of one bucket with one object. */
export class History<Step> {
  readonly name: string
  readonly calls: HistoryCall<Step>[] = []
  unknown = 0

  constructor(name: string) {
    this.name = name
  }

  /**
   * Sends and notes. `guess` is the step that may have happened when the outcome is unknown (P4); without it the
   * call changes nothing, and an answer that says nothing leaves no trace.
   */
  async note(
    send: () => Promise<S3Reply>,
    verdict: (reply: S3Reply) => HistoryVerdict<Step>,
    guess?: Step,
  ): Promise<S3Reply | undefined> {
    const calledMs = performance.now()
    const reply = await send().catch(() => undefined)
    const returnedMs = performance.now()
    const step = reply === undefined ? 'unknown' : verdict(reply)
    if (step === 'nothing') return reply
    if (step !== 'unknown') this.calls.push({ step, calledMs, returnedMs })
    else if (guess !== undefined) {
      this.unknown++
      this.calls.push({ step: guess, calledMs, returnedMs: Infinity })
    }
    return reply
  }
}

/** Answers by status and code, of everything that was sent. */
export const answers = new Map<string, number>()

export async function sent(client: RawClient, request: BenchRequest): Promise<S3Reply> {
  const what = request.query?.['list-type'] === undefined ? request.method : 'LIST'
  try {
    const reply = await client.send({ timeoutMs: CLIENT_TIMEOUT_MS, ...request })
    const code = reply.status < 400 ? String(reply.status) : `${reply.status} ${s3ErrorCode(reply)}`
    count(`${what} ${code}`)
    return reply
  } catch (error) {
    count(`${what} no answer`)
    throw error
  }
}

function count(name: string): void {
  answers.set(name, (answers.get(name) ?? 0) + 1)
}

/** The body of a write: its tag, then a filling that follows from it. */
export function recordedBody(tag: number, sizeBytes: number): Buffer {
  const line = Buffer.from(`tag ${tag};`)
  return Buffer.alloc(Math.max(sizeBytes, line.length), line)
}

/** The tag of a body. Throws when it is not whole. */
export function tagOf(body: Buffer): number {
  const tag = Number(/^tag (\d+);/.exec(body.subarray(0, 24).toString('latin1'))?.[1])
  if (!Number.isInteger(tag) || !body.equals(recordedBody(tag, body.length))) {
    throw new Error('wrong bytes in a body')
  }
  return tag
}
