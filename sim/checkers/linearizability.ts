/**
 * Checker B, black box: is a key's history linearizable? Wing and Gong's search with Lowe's memory of
 * states already tried (docs/correctness.md 9). Operations whose outcome is unknown may take effect at any
 * instant after their call, or never.
 */

/** A value is the tag of the write that made it; undefined: no object. */
export type ValueTag = number | undefined

export type HistoryOperation =
  | { readonly type: 'put'; readonly tag: number }
  | { readonly type: 'delete' }
  /** The source of a rename: deleted, if it was this one. */
  | { readonly type: 'take'; readonly tag: number }
  /** `done` false: refused because something was there. */
  | { readonly type: 'create'; readonly tag: number; readonly done: boolean }
  | { readonly type: 'get'; readonly tag: ValueTag }

export interface CheckedCall {
  readonly operation: HistoryOperation
  readonly calledMs: number
  /** Infinity: unknown outcome. */
  readonly returnedMs: number
}

/** False when the operation can't happen in that state. */
function apply(operation: HistoryOperation, state: ValueTag): { state: ValueTag } | undefined {
  switch (operation.type) {
    case 'put':
      return { state: operation.tag }
    case 'delete':
      return { state: undefined }
    case 'take':
      return operation.tag === state ? { state: undefined } : undefined
    case 'create':
      if (!operation.done) return state === undefined ? undefined : { state }
      return state === undefined ? { state: operation.tag } : undefined
    case 'get':
      return operation.tag === state ? { state } : undefined
  }
}

export function isLinearizable(history: readonly CheckedCall[]): boolean {
  const calls = history.map(({ operation, ...rest }) => ({ step: operation, ...rest }))
  return isLinearizableFor<HistoryOperation, { readonly tag: ValueTag }>(
    calls,
    { tag: undefined },
    (step, at) => {
      const after = apply(step, at.tag)
      return after && { tag: after.state }
    },
  )
}

export interface HistoryCall<Step> {
  readonly step: Step
  readonly calledMs: number
  /** Infinity: unknown outcome. */
  readonly returnedMs: number
}

/** `next`: the state after the step; undefined when it can't happen in that state. States are compared as
 * JSON. */
export function isLinearizableFor<Step, State>(
  history: readonly HistoryCall<Step>[],
  initial: State,
  next: (step: Step, state: State) => State | undefined,
): boolean {
  const calls = [...history].sort((a, b) => a.calledMs - b.calledMs)
  const tried = new Set<string>()
  const taken = new Uint8Array(calls.length)
  const open = calls.filter((call) => call.returnedMs !== Infinity).length

  const search = (left: number, state: State): boolean => {
    if (left === 0) return true
    const name = `${JSON.stringify(state)}:${Buffer.from(taken).toString('latin1')}`
    if (tried.has(name)) return false
    tried.add(name)
    // Only calls that began before every other pending one returned may come next.
    let horizon = Infinity
    for (let i = 0; i < calls.length; i++) {
      if (taken[i] === 0 && calls[i]!.returnedMs < horizon) horizon = calls[i]!.returnedMs
    }
    for (let i = 0; i < calls.length; i++) {
      const call = calls[i]!
      if (call.calledMs > horizon) break
      if (taken[i] !== 0) continue
      const after = next(call.step, state)
      if (after === undefined) continue
      taken[i] = 1
      if (search(left - (call.returnedMs === Infinity ? 0 : 1), after)) return true
      taken[i] = 0
    }
    return false
  }
  return search(open, initial)
}
