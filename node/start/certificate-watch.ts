/**
 * Replaces the certificates of a port when their files have changed, or when the operator asks for it (SIGHUP).
 *
 * Files that can't be used are named in the log, once for each content, and the port keeps the certificates that it has.
 * So a certificate and its key may be replaced one after the other.
 */

import type { TlsCertificate } from '../../gateway/http/certificates.ts'
import type { Clock, Logger } from '../env/ports.ts'

/** How often the files are read. */
const LOOK_MS = 10_000

export interface CertificateWatchOptions {
  /** For the log: 'S3' or 'admin'. */
  readonly port: string
  /** What the port has. */
  readonly current: readonly TlsCertificate[]
  /** Reads the files. May throw. */
  readonly read: () => readonly TlsCertificate[] | undefined
  /** Throws when they are not valid. */
  readonly replace: (certificates: readonly TlsCertificate[]) => void
  readonly clock: Pick<Clock, 'after'>
  readonly logger: Logger
}

export class CertificateWatch {
  readonly #options: CertificateWatchOptions
  /** The content that was tried last. */
  #seen: string
  /** What was wrong at the last look. */
  #problem: string | undefined
  #cancel: () => void

  constructor(options: CertificateWatchOptions) {
    this.#options = options
    this.#seen = JSON.stringify(options.current)
    this.#cancel = this.#later()
  }

  stop(): void {
    this.#cancel()
  }

  /** Reads the files now. Changes nothing when they hold what the port has. */
  look(): void {
    const { port, read, replace, logger } = this.#options
    try {
      const certificates = read() ?? []
      this.#problem = undefined
      const text = JSON.stringify(certificates)
      if (text === this.#seen) return
      this.#seen = text
      replace(certificates)
      logger.info({}, `the ${port} port has new certificates`)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason === this.#problem) return
      this.#problem = reason
      logger.error({ reason }, `the ${port} port keeps its certificates: the files cannot be used`)
    }
  }

  #later(): () => void {
    return this.#options.clock.after(LOOK_MS, () => {
      this.look()
      this.#cancel = this.#later()
    })
  }
}
