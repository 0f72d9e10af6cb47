/** What the start had to read again because the index did not reflect it yet. */
export class Recovery {
  running = true
  records = 0
  bytes = 0

  note(lengthBytes: number): void {
    if (!this.running) return
    this.records++
    this.bytes += lengthBytes
  }
}
