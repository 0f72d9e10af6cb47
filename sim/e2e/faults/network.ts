/** Where the nodes of a disturbed cluster run, and the wires between them. A place is a number from 0 on. */

/** Of both networks: so many nodes can be there at once. */
export const PLACES_MAX = 40

export interface Place {
  /** What a program is started by. */
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
  /** What it consists of, for people. */
  readonly title: string
  add(place: number): Promise<Place>
  remove(place: number): Promise<void>
  /** What `from` sends does not arrive at `to` any more. */
  cut(from: number, to: number): Promise<void>
  /** Cuts, all of them. */
  heal(): Promise<void>
  /** Of every message of every node, one way. */
  delay(delayMs: number): Promise<void>
  close(): void
}
