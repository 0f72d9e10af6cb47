/** A logger that drops the lines of libp2p, which writes several for each message. Our own log says what matters. */

import type { ComponentLogger, Logger } from '@libp2p/interface'

const ignore = (): void => {}
const quiet: Logger = Object.assign(ignore, {
  enabled: false,
  trace: ignore,
  error: ignore,
  newScope: () => quiet,
})

export const quietLogger: ComponentLogger = { forComponent: () => quiet }
