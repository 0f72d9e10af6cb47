import type { Work } from '../../protocol/work.ts'

/** Runs work: its result at once when it is small. */
export type InTurns = <T>(work: Work<T>) => T | Promise<T>
