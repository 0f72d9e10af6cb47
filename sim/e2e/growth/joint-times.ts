/** How long JOINT epochs lasted: from the first node's line that it has adopted one to the first with the next epoch. */

export class JointTimes {
  readonly #rests = new Map<number, string>()
  /** When an epoch was first adopted anywhere, and whether it is JOINT. */
  readonly #epochs = new Map<number, { atMs: number; isJoint: boolean }>()
  #told = 0

  /** Some of what a node has written. */
  take(node: number, text: string): void {
    const lines = ((this.#rests.get(node) ?? '') + text).split('\n')
    this.#rests.set(node, lines.pop() ?? '')
    for (const line of lines) if (line.includes('"layout adopted"')) this.#adopted(line)
  }

  /** In seconds, of those that ended since the last call. */
  line(): string {
    const seconds: string[] = []
    for (const [epoch, { atMs, isJoint }] of this.#epochs) {
      const next = this.#epochs.get(epoch + 1)
      if (!isJoint || epoch <= this.#told || next === undefined) continue
      seconds.push(((next.atMs - atMs) / 1_000).toFixed(1))
    }
    this.#told = Math.max(this.#told, ...this.#epochs.keys()) - 1
    return `JOINT for ${seconds.join(' + ') || '-'} s`
  }

  #adopted(line: string): void {
    let fields: { epoch?: unknown; state?: unknown; time?: unknown }
    try {
      fields = JSON.parse(line) as typeof fields
    } catch {
      return
    }
    const { epoch, state, time } = fields
    if (typeof epoch !== 'number' || typeof time !== 'string') return
    const atMs = Date.parse(time)
    const known = this.#epochs.get(epoch)
    if (known !== undefined && known.atMs <= atMs) return
    this.#epochs.set(epoch, { atMs, isJoint: state === 'JOINT' })
  }
}
