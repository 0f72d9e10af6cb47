/**
 * Lets a stream of yamux tell its peer less often how much more it may send.
 *
 * yamux answers each data frame with a window update at once. For small calls that doubles the frames: each update is a
 * write of its own here and a frame to read there, and it says nothing that the peer would have to know. As the
 * specification suggests (https://github.com/hashicorp/yamux/blob/master/spec.md), an update is sent here when at least
 * half of the window is used. The window then doubles, up to the stream's largest, so that large transfers do not wait.
 */

/** The fields of a stream of @libp2p/yamux 8 that this needs. */
interface Windowed {
  readonly state: number
  recvWindow: number
  readonly recvWindowCapacity: number
  readonly maxStreamWindowSize: number
  sendWindowUpdate(): void
}

/** yamux's own number of the state in which no flag has to go with an update, and reading is not paused. */
const ESTABLISHED = 3

/** Changes the stream. One that has other fields, as the streams of tests do, stays as it is. */
export function sendWindowUpdatesLate(stream: object): void {
  if (!isWindowed(stream)) return
  const send = stream.sendWindowUpdate.bind(stream)
  stream.sendWindowUpdate = () => {
    if (stream.state === ESTABLISHED) {
      if (stream.recvWindowCapacity * 2 > stream.recvWindow) return
      stream.recvWindow = Math.min(stream.recvWindow * 2, stream.maxStreamWindowSize)
    }
    send()
  }
}

function isWindowed(stream: object): stream is Windowed {
  const { state, recvWindow, recvWindowCapacity, maxStreamWindowSize, sendWindowUpdate } =
    stream as Partial<Windowed>
  return (
    typeof sendWindowUpdate === 'function' &&
    [state, recvWindow, recvWindowCapacity, maxStreamWindowSize].every(
      (field) => typeof field === 'number',
    )
  )
}
