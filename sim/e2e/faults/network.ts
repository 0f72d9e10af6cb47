/** Where the nodes of a disturbed cluster run, and the wires between them. A place is a number from 0 on. */

/** Most nodes at once, in either kind of network. */
export const NETWORK_PLACES_MAX = 40

export interface NetworkPlace {
  /** Words in front of a command that run it at this place. */
  readonly prefix: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** HOST:PORT */
  readonly s3: string
  readonly admin: string
  /** A multiaddr. */
  readonly listen: string
  /** The admin port as this process reaches it. */
  readonly adminUrl: string
}

export interface FaultNetwork {
  /** What the network consists of, for people. */
  readonly title: string
  add(place: number): Promise<NetworkPlace>
  remove(place: number): Promise<void>
  /** What `from` sends no longer arrives at `to`. */
  cut(from: number, to: number): Promise<void>
  /** Mends all cuts. */
  heal(): Promise<void>
  /** Delays every message of every node, one way; 0 for no delay. */
  delay(delayMs: number): Promise<void>
  close(): void
}
