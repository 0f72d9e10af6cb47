/**
 * What a key and a bucket may answer, one step after the other: the models that histories of real processes are
 * compared with (sim/checkers/linearizability.ts). A step without a next state can't happen in that state.
 */

import type { HistoryCall } from '../../checkers/linearizability.ts'

/** The tag of the write that made the object. Undefined when there is no object. */
type Tag = number | undefined

export type KeyStep =
  | { readonly type: 'put'; readonly tag: number }
  | { readonly type: 'delete' }
  /** If-None-Match: *. `done` false: 412. */
  | { readonly type: 'create'; readonly tag: number; readonly done: boolean }
  /** If-Match on what `before` wrote. `done` false: 412, or 404 where there was nothing. */
  | {
      readonly type: 'swap'
      readonly before: number
      readonly tag: number
      readonly done: boolean
    }
  /** GET, or the key's place in a listing. */
  | { readonly type: 'read'; readonly tag: Tag }

export interface KeyState {
  readonly tag: Tag
}

export function nextOfKey(step: KeyStep, { tag }: KeyState): KeyState | undefined {
  switch (step.type) {
    case 'put':
      return { tag: step.tag }
    case 'delete':
      return { tag: undefined }
    case 'create':
      if (step.done) return tag === undefined ? { tag: step.tag } : undefined
      return tag === undefined ? undefined : { tag }
    case 'swap':
      if (step.done) return tag === step.before ? { tag: step.tag } : undefined
      return tag === step.before ? undefined : { tag }
    case 'read':
      return step.tag === tag ? { tag } : undefined
  }
}

export type BucketAnswer = 'ok' | 'no-bucket' | 'no-key' | 'exists' | 'not-empty'

/** A bucket and the one object that may be in it. */
export type BucketStep =
  | { readonly type: 'make' | 'drop' | 'erase' | 'head'; readonly answer: BucketAnswer }
  | { readonly type: 'put'; readonly tag: number; readonly answer: BucketAnswer }
  /** `tag`: what was read or listed. Undefined for an empty listing. */
  | { readonly type: 'get' | 'list'; readonly tag: Tag; readonly answer: BucketAnswer }

export interface BucketState {
  readonly live: boolean
  readonly tag: Tag
}

const NOTHING: BucketState = { live: false, tag: undefined }

export function nextOfBucket(step: BucketStep, state: BucketState): BucketState | undefined {
  const { live, tag } = state
  if (step.type === 'make') {
    // In us-east-1 the owner is told 'ok' again, and nothing changes.
    if (step.answer === 'ok') return live ? state : { live: true, tag: undefined }
    return live && step.answer === 'exists' ? state : undefined
  }
  if (step.answer === 'no-bucket') return live ? undefined : state
  if (!live) return undefined
  switch (step.type) {
    case 'head':
      return state
    case 'drop':
      if (step.answer === 'ok') return tag === undefined ? NOTHING : undefined
      return tag === undefined ? undefined : state
    case 'put':
      return { live, tag: step.tag }
    case 'erase':
      return { live, tag: undefined }
    case 'get':
      if (step.answer === 'no-key') return tag === undefined ? state : undefined
      return step.tag === tag ? state : undefined
    case 'list':
      return step.tag === tag ? state : undefined
  }
}

/** The calls as text for a report: who, when, what. */
export function transcript<Step>(calls: readonly HistoryCall<Step>[]): string {
  const first = Math.min(...calls.map(({ calledMs }) => calledMs))
  return [...calls]
    .sort((a, b) => a.calledMs - b.calledMs)
    .map(({ step, calledMs, returnedMs }) => {
      const from = (calledMs - first).toFixed(1)
      const to = returnedMs === Infinity ? '?' : (returnedMs - first).toFixed(1)
      return `${from}-${to} ${JSON.stringify(step)}`
    })
    .join('\n')
}
