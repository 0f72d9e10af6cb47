/** libp2p logs several lines a message, formatted or not: none of them. Our own logs say what matters. */

import type { ComponentLogger, Logger } from '@libp2p/interface'

const ignore = (): void => {}
const quiet: Logger = Object.assign(ignore, {
  enabled: false,
  trace: ignore,
  error: ignore,
  newScope: () => quiet,
})

export const quietLogger: ComponentLogger = { forComponent: () => quiet }
