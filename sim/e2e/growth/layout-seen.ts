/** What `shoal layout show --json` says, as far as these tests look. */

export interface LayoutSeen {
  readonly epoch: number
  readonly state: string
  readonly sources: number
  readonly members: readonly { readonly id: string; readonly name: string }[]
  readonly text: string
}

export function layoutOf(json: unknown): LayoutSeen {
  const { epoch, state, sources, members } = json as LayoutSeen
  return { epoch, state, sources, members, text: JSON.stringify(json).slice(0, 2_000) }
}
