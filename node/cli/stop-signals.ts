/** The ways in which a process is asked to stop. */

export type StopReason = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'parent is gone'

export interface StopSignals {
  /** Resolves with the first one. */
  readonly first: Promise<StopReason>
  readonly asked: boolean
}

/**
 * A second Ctrl-C calls `force`; a second SIGTERM does not, since service managers repeat it.
 * `supervised`: the process was started by `shoal cluster`, whose end closes the IPC channel, so that
 * no node outlives it, even when it was killed with SIGKILL.
 */
export function stopSignals(options: { supervised: boolean; force: () => void }): StopSignals {
  let asked = false
  const first = new Promise<StopReason>((resolve) => {
    const stop = (reason: StopReason): void => {
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
