/** What a test tells the process that undoes what it does. */
export type GuardLine =
  /** A process group to kill. */
  | { readonly own: number }
  | { readonly disown: number }
  /** A command to run; the last one runs first. */
  | { readonly undo: readonly string[] }
