/** Where an object is stored, by the layout and by a walk of the DHT: what `shoal locate` shows. */

export interface LocateResult {
  readonly bucket: string
  readonly key: string
  readonly hash: string
  readonly partition: number
  readonly epoch: number
  readonly byLayout: readonly { readonly node: string; readonly distance: string }[]
  /** By walking the DHT to a provider of the slice and asking it. */
  readonly byWalk?:
    | { readonly replicas: readonly string[]; readonly provider: string; readonly hops: number }
    | undefined
  /** The names of the nodes above, by id. */
  readonly names: Readonly<Record<string, string>>
  readonly agree: boolean
}
