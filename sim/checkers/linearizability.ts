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

/** A point of the search: the completed calls that have taken effect, those in doubt that have, and the state after. */
interface Point<State> {
  readonly taken: Uint8Array
  readonly doubtful: bigint
  readonly state: State
}

/**
 * `next`: the state after the step; undefined when it can't happen in that state. States are compared as JSON.
 *
 * A call in doubt may always take effect later. So a point from which fewer of these have taken effect allows all that the
 * same point with more of them allows. The search goes to points with few of them first, and leaves out each point that
 * one tried before allows. Without that, the work doubles with each call in doubt when the history is not linearizable.
 */
export function isLinearizableFor<Step, State>(
  history: readonly HistoryCall<Step>[],
  initial: State,
  next: (step: Step, state: State) => State | undefined,
): boolean {
  const calls = [...history].sort((a, b) => a.calledMs - b.calledMs)
  const completed = calls.filter((call) => call.returnedMs !== Infinity)
  const inDoubt = calls.filter((call) => call.returnedMs === Infinity)
  const tried = new Map<string, bigint[]>()
  /** By the number of calls in doubt that have taken effect. */
  const waiting: Point<State>[][] = [
    [{ taken: new Uint8Array(completed.length), doubtful: 0n, state: initial }],
  ]

  const isNew = ({ taken, doubtful, state }: Point<State>): boolean => {
    const name = `${JSON.stringify(state)}:${Buffer.from(taken).toString('latin1')}`
    const before = tried.get(name)
    if (before === undefined) tried.set(name, [doubtful])
    else if (before.some((fewer) => (fewer & doubtful) === fewer)) return false
    else before.push(doubtful)
    return true
  }

  for (let count = 0; count < waiting.length; count++) {
    for (let point = waiting[count]!.pop(); point !== undefined; point = waiting[count]!.pop()) {
      if (!isNew(point)) continue
      const { taken, doubtful, state } = point
      if (taken.every((one) => one === 1)) return true
      // Only calls that began before every other pending one returned may come next.
      let horizon = Infinity
      for (let i = 0; i < completed.length; i++) {
        if (taken[i] === 0) horizon = Math.min(horizon, completed[i]!.returnedMs)
      }
      for (let i = 0; i < inDoubt.length && inDoubt[i]!.calledMs <= horizon; i++) {
        const bit = 1n << BigInt(i)
        const after = (doubtful & bit) === 0n ? next(inDoubt[i]!.step, state) : undefined
        if (after === undefined) continue
        const further = (waiting[count + 1] ??= [])
        further.push({ taken, doubtful: doubtful | bit, state: after })
      }
      for (let i = 0; i < completed.length && completed[i]!.calledMs <= horizon; i++) {
        const after = taken[i] === 0 ? next(completed[i]!.step, state) : undefined
        if (after === undefined) continue
        waiting[count]!.push({ taken: taken.with(i, 1), doubtful, state: after })
      }
    }
  }
  return false
}
