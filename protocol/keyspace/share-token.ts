/**
 * Tokens of clusters whose genesis record says `placement: 2` or `3`. Token k of a node is in the slice of partition
 * π(k), where π is a permutation of all partitions drawn from the node's name, and the smaller k is, the nearer to
 * the slice's start. So the walk of a partition meets in its own slice first one token of each node that may
 * get it, the strongest first.
 *
 * Three things follow that tokens at random points do not give:
 *
 *   - Every node has exactly one token of each strength. How many partitions it wins varies a third as much as
 *     with random points (variance 0.31 of Poisson's with 3 replicas), so few nodes come to their bound, and few
 *     partitions are passed on from one node to the next when members change.
 *   - The strength of token k is its rank u = (k + jitter)/partitions against the node's fair share s:
 *     u/(1−u) ÷ s/(1−s). Picking the least R of these is Pareto sampling (Rosén 1997): each node wins its own
 *     share, also where capacities differ and a few nodes hold nearly everything. Tokens in proportion to
 *     capacity do not do that.
 *   - A change of one node's share moves its own tokens and leaves the order of all others as it was.
 *
 * Where zones compete, u is drawn so that the best of a zone's nodes is again even, and each of them is the
 * best as often as its capacity says: 1−u to the power of 1 ÷ the node's part of its zone.
 *
 * Nodes must agree on every bit, so that there is nothing here but what IEEE 754 rounds in one way only: no
 * Math.exp, no Math.log.
 */

import { assert } from '../assert.ts'
import { utf8 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import type { NodeId } from '../ids.ts'
import type { ShareClaim } from './fair-share.ts'
import { TOKEN_BITS } from './token.ts'

/** Tokens that a node has for each partition that it should hold. With 4 × R of them in a slice, fewer than
 * R different nodes is a rare case; then the walk goes on into the next slice. */
const TOKENS_PER_SHARE = 6
/** A node that should hold everything: it is chosen everywhere, and its tokens still differ in strength. */
const SHARE_MAX = 1 - 2 ** -20

/** Token values as tokensOf gives them, the strongest first. */
export function shareTokens(name: NodeId, claim: ShareClaim, partitionBits: number): Float64Array {
  const partitions = 1 << partitionBits
  const count = Math.min(partitions, Math.ceil(TOKENS_PER_SHARE * claim.fair * partitions))
  const sliceSize = 2 ** (TOKEN_BITS - partitionBits)
  const share = Math.min(claim.share, SHARE_MAX)
  const odds = (share / (1 - share)) * (claim.pull ?? 1)
  const draw = new Draw(name, partitionBits)
  const tokens = new Float64Array(Math.max(count, 1))
  for (let k = 0; k < tokens.length; k++) {
    const u = (k + draw.jitter(k)) / partitions
    const against = claim.part === 1 ? u / (1 - u) : expm1(minusLog1m(u) / claim.part)
    const offset = 1 / (1 + odds / against)
    tokens[k] = draw.slice(k) * sliceSize + Math.min(Math.floor(offset * sliceSize), sliceSize - 1)
  }
  return tokens
}

/** What is drawn from a node's name: a permutation of the slices, and a number in 0..1 for each token. */
class Draw {
  readonly #words: Uint32Array
  readonly #mask: number
  readonly #shift: number

  constructor(name: NodeId, bits: number) {
    assert(bits >= 0 && bits <= 16, 'a partition number has two bytes')
    const hash = blake3(utf8(`tokens ${name}`))
    const view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength)
    this.#words = Uint32Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i))
    this.#mask = (1 << bits) - 1
    this.#shift = (bits + 1) >> 1
  }

  /** Each step can be undone in `bits` bits: an odd factor, an addend, a shift onto itself. */
  slice(k: number): number {
    const [w, mask, shift] = [this.#words, this.#mask, this.#shift]
    let x = (k ^ w[0]!) & mask
    x = (Math.imul(x, w[1]! | 1) + w[2]!) & mask
    x ^= x >>> shift
    x = (Math.imul(x, w[3]! | 1) + w[4]!) & mask
    x ^= x >>> shift
    x = Math.imul(x, w[5]! | 1) & mask
    return x ^ (x >>> shift)
  }

  /** The finaliser of MurmurHash3. */
  jitter(k: number): number {
    let x = Math.imul(k ^ this.#words[6]!, 0x9e37_79b1) ^ this.#words[7]!
    x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35)
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32
  }
}

/** −ln(1 − u) for 0 ≤ u < 1, to about 12 digits. */
export function minusLog1m(u: number): number {
  let halvings = 0
  let rest = 1 - u
  let z = u / (2 - u)
  if (rest < 0.5) {
    while (rest < 0.5) {
      rest *= 2
      halvings++
    }
    z = (1 - rest) / (1 + rest)
  }
  // ln((1 + z)/(1 − z)) = 2(z + z³/3 + z⁵/5 …), z at most a third.
  const square = z * z
  let sum = 0
  for (let i = 23; i >= 1; i -= 2) sum = sum * square + 1 / i
  return halvings * Math.LN2 + 2 * z * sum
}

/** e^y − 1 for y ≥ 0, to about 12 digits. Infinity where it is too large. */
export function expm1(y: number): number {
  let doublings = 0
  let part = y
  while (part > 0.25) {
    part /= 2
    doublings++
  }
  let sum = 0
  for (let i = 10; i >= 1; i--) sum = ((1 + sum) * part) / i
  for (; doublings > 0; doublings--) sum *= sum + 2
  return sum
}
