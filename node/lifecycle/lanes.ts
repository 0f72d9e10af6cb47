/**
 * How many changes a lifecycle makes at the same time: so many that none of them waits long for another one, or for
 * requests of callers.
 *
 * A change that waits behind others takes longer than one that finds the node and its peers idle. So the number grows
 * while changes take about as long as the fastest ones, and falls when they take twice as long: requests of callers
 * that come then find short queues. Pure.
 */

/** Never less: a node under load for days must not fall behind for good. */
const LANES_MIN = 2
const LANES_MAX = 32
/** So many times the fastest: they wait for each other, or for requests. */
const WAITING = 2
/** The fastest page counts for less and less, as the cluster may have become slower for good. */
const FORGETTING = 1.02

export class Lanes {
  /** Changes at the same time. */
  count = LANES_MIN
  #fastestMs = Infinity

  /** Call it with the mean time of some changes that were made at this count. */
  note(meanMs: number): void {
    this.#fastestMs = Math.min(this.#fastestMs * FORGETTING, meanMs)
    if (meanMs > this.#fastestMs * WAITING) this.count = Math.max(LANES_MIN, this.count >> 1)
    else this.count = Math.min(LANES_MAX, this.count * 2)
  }
}
