/** Runs tasks of one key one after the other; keys don't wait for each other. */
export class KeyedQueue<Key> {
  readonly #tails = new Map<Key, Promise<unknown>>()

  /** True while a task of this key runs or waits. */
  busy(key: Key): boolean {
    return this.#tails.has(key)
  }

  /** Resolves or rejects as the task does. A task that fails does not stop the next one of its key. */
  run<T>(key: Key, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key)
    const result = before === undefined ? task() : before.then(task, task)
    this.#tails.set(key, result)
    const done = (): void => {
      if (this.#tails.get(key) === result) this.#tails.delete(key)
    }
    result.then(done, done)
    return result
  }
}
