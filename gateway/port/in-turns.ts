import type { Work } from '../../protocol/work.ts'

/** Runs work in slices, in turn with that of other requests. Small work returns its result at once. */
export type InTurns = <T>(work: Work<T>) => T | Promise<T>
