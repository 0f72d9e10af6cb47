/** The ways in which a process is asked to stop. */

/** 'parent is gone' is for nodes of `shoal cluster` only. */
export type StopReason = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'parent is gone'

/** What the process has been asked so far. */
export interface StopSignals {
  /** Resolves with the first reason. */
  readonly first: Promise<StopReason>
  /** Whether `first` has resolved. */
  readonly asked: boolean
}

/**
 * Listens to the signals that ask a process to stop. A second Ctrl-C calls `force`; a second SIGTERM
 * does not, because service managers repeat it.
 *
 * SIGHUP stops the process too, unless `reload` has something for it to do: it returns whether it has.
 *
 * With `supervised` the process also stops when `shoal cluster`, which started it, ends for any
 * reason: the IPC channel closes then, even after SIGKILL.
 */
export function stopSignals(options: {
  supervised: boolean
  force: () => void
  reload?: () => boolean
}): StopSignals {
  let asked = false
  const first = new Promise<StopReason>((resolve) => {
    const stop = (reason: StopReason): void => {
      if (reason === 'SIGHUP' && options.reload?.() === true) return
      if (asked && reason === 'SIGINT') options.force()
      asked = true
      resolve(reason)
    }
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
    if (!options.supervised) return
    process.on('disconnect', () => stop('parent is gone'))
    if (!process.connected) stop('parent is gone')
    process.channel?.unref()
  })
  return {
    first,
    get asked() {
      return asked
    },
  }
}
