/**
 * A bounded number of places. A newcomer always gets one. When none is left, a holder of the group with the most
 * places loses its place: an idle one before a busy one, and the oldest of these. Favoured groups lose places only
 * when no other group holds any.
 */

export interface Occupant {
  /** The address that it comes from (address-group.ts). */
  readonly group: string
  /** Whether it is in use now. Without it, it never is. */
  readonly busy?: () => boolean
  /** Called when a holder loses its place. */
  readonly evict: (reason: string) => void
}

/** How many places there are, and for whom. */
export interface PlacesInit {
  /** Places in all. */
  readonly max: number
  /** Places of one group that is not favoured. */
  readonly groupMax: number
  /** Whether the group keeps its places while others hold any. */
  readonly favours: (group: string) => boolean
}

export class Places {
  readonly #init: PlacesInit
  /** The holders of each group, the oldest first. */
  readonly #groups = new Map<string, Set<Occupant>>()
  #count = 0

  constructor(init: PlacesInit) {
    this.#init = init
  }

  get size(): number {
    return this.#count
  }

  /** Takes a place. The returned function gives it back; calling it twice is harmless. */
  take(occupant: Occupant): () => void {
    const { max, groupMax, favours } = this.#init
    const { group } = occupant
    const held = this.#groups.get(group)
    if (held !== undefined && held.size >= groupMax && !favours(group)) {
      this.#evictFrom(held, 'too many of one address')
    } else if (this.#count >= max) {
      const greediest = this.#greediest()
      if (greediest !== undefined) this.#evictFrom(greediest, 'too many in total')
    }
    this.#groups.set(group, (this.#groups.get(group) ?? new Set()).add(occupant))
    this.#count++
    return () => this.#release(occupant)
  }

  #release(occupant: Occupant): void {
    const held = this.#groups.get(occupant.group)
    if (held?.delete(occupant) !== true) return
    this.#count--
    if (held.size === 0) this.#groups.delete(occupant.group)
  }

  /** The holders of the group with the most places, favoured groups last. */
  #greediest(): Set<Occupant> | undefined {
    let most: Set<Occupant> | undefined
    let mostFavoured: Set<Occupant> | undefined
    for (const [group, held] of this.#groups) {
      if (this.#init.favours(group)) {
        if (held.size > (mostFavoured?.size ?? 0)) mostFavoured = held
      } else if (held.size > (most?.size ?? 0)) most = held
    }
    return most ?? mostFavoured
  }

  #evictFrom(held: ReadonlySet<Occupant>, reason: string): void {
    const [oldest] = held
    let victim = oldest
    for (const occupant of held) {
      if (occupant.busy?.() === true) continue
      victim = occupant
      break
    }
    if (victim === undefined) return
    this.#release(victim)
    victim.evict(reason)
  }
}
