/** What the admin port shows of join tokens and of the cluster secret: never what opens with them. */

/** A join token. */
export interface TokenStatus {
  readonly id: string
  readonly expiresMs: number
  /** Nodes that it may admit. */
  readonly uses: number
  /** That it has admitted, or that asked to be in a change which went back. */
  readonly nodes: readonly string[]
  /** Theirs, or their short ids. */
  readonly names: readonly string[]
}

/** Of the cluster secret. */
export interface SecretStatus {
  /** 1 is the first. */
  readonly generation: number
  readonly sinceMs?: number | undefined
  /** All access keys, as far as this node has looked. */
  readonly keysSealed: boolean
  /** Until then sessions of the one before are good. Absent: they are not. */
  readonly previousUntilMs?: number | undefined
}
