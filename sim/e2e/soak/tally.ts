/** What a soak counts: answers by kind of request and status, and log lines by their text. */

export class SoakTally {
  readonly #answers = new Map<string, Map<string, number>>()
  readonly #lines = new Map<string, number>()
  #lastLine = ''

  answered(what: string, outcome: string): void {
    let outcomes = this.#answers.get(what)
    if (outcomes === undefined) this.#answers.set(what, (outcomes = new Map()))
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }

  get total(): number {
    return this.#sum(() => true)
  }

  /** Answers whose outcome begins with this. */
  count(prefix: string): number {
    return this.#sum((outcome) => outcome.startsWith(prefix))
  }

  /** The lines that the nodes have written since the last call. Only the last of their output is kept. */
  readLog(output: string): void {
    const lines = output.split('\n').slice(0, -1)
    const seen = lines.lastIndexOf(this.#lastLine)
    for (const line of lines.slice(seen + 1)) {
      const kind = kindOf(line)
      if (kind !== undefined) this.#lines.set(kind, (this.#lines.get(kind) ?? 0) + 1)
    }
    this.#lastLine = lines.at(-1) ?? this.#lastLine
  }

  answers(): string[] {
    return [...this.#answers].map(([what, outcomes]) => {
      const list = [...outcomes].toSorted((a, b) => b[1] - a[1])
      return `  ${what.padEnd(12)} ${list.map(([name, count]) => `${name} × ${count}`).join(', ')}`
    })
  }

  logLines(): string[] {
    const list = [...this.#lines].toSorted((a, b) => b[1] - a[1])
    return list.map(([kind, count]) => `  ${String(count).padStart(7)}  ${kind}`)
  }

  #sum(fits: (outcome: string) => boolean): number {
    let sum = 0
    for (const outcomes of this.#answers.values()) {
      for (const [outcome, count] of outcomes) if (fits(outcome)) sum += count
    }
    return sum
  }
}

function kindOf(line: string): string | undefined {
  const json = /\{.*\}$/.exec(line)?.[0]
  // Ready lines and credentials are not log lines.
  if (json === undefined) return undefined
  try {
    const { level, msg } = JSON.parse(json) as { level?: string; msg?: string }
    return `${level ?? '?'}: ${msg ?? line}`
  } catch {
    return line.replace(/\d+/g, 'N')
  }
}
