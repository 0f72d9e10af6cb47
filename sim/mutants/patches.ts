/**
 * Replaces methods of the real classes while one run lasts: so a mutant can break a rule that no port reaches. Nothing
 * outside sim/ can switch this on, and production code has no flag for it.
 */

export class Patches {
  readonly #undo: (() => void)[] = []

  /** `make` gets the real method, to be called with the right `this`. */
  method<T extends object, K extends keyof T>(
    prototype: T,
    name: K,
    make: (original: T[K]) => T[K],
  ): void {
    const original = prototype[name]
    prototype[name] = make(original)
    this.#undo.push(() => {
      prototype[name] = original
    })
  }

  getter<T extends object, K extends keyof T>(prototype: T, name: K, get: () => T[K]): void {
    const original = Object.getOwnPropertyDescriptor(prototype, name)
    if (original?.get === undefined) throw new Error(`${String(name)} is no getter`)
    Object.defineProperty(prototype, name, { ...original, get })
    this.#undo.push(() => void Object.defineProperty(prototype, name, original))
  }

  undo(): void {
    for (const undo of this.#undo.splice(0).toReversed()) undo()
  }
}
