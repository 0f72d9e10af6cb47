/** A break of RenameObject: the change of the source is blind (T11). */

import { Renames } from '../../node/objects/renames.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  HEADERS,
} from '../testing/calm-cluster.ts'
import type { NodeMutant } from './mutant.ts'
import { scene } from './scene.ts'

/** An object is put again while it gets another key: what was put is under one of the two. */
const putDuringRename = scene(3, async ({ cluster, found }) => {
  for (let round = 0; round < 20; round++) {
    const put = (node: number, etag: string) =>
      backendOf(cluster, node).putObject(context(), {
        bucket: BUCKET,
        key: 'old',
        headers: HEADERS,
        body: bodyOf(bytesLike(100_000, round), etag),
      })
    const { lastModifiedMs } = await put(0, `first ${round}`)
    const seen = { etag: `first ${round}`, lastModifiedMs }
    const request = { bucket: BUCKET, source: 'old', key: 'new', seen }
    const renaming = codeOf(backendOf(cluster, 1).renameObject(context(), request))
    const putting = codeOf(put(2, `second ${round}`))
    const codes = [await renaming, await putting]
    const etags: string[] = []
    for (const key of ['old', 'new']) {
      const named = { bucket: BUCKET, key, withData: false }
      const read = backendOf(cluster, 0).getObject(context(), named)
      await codeOf(read.then(({ info }) => etags.push(info.etag)))
    }
    if (codes[1] !== 'ok') found.push(`a put during a rename: ${codes[1]}`)
    if (!etags.includes(`second ${round}`)) found.push('a put during a rename is lost')
  }
})

export const RENAME_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'rename-removes-what-it-finds',
    rule: 'T11',
    breaks: 'a rename removes the current version of the source, whichever that is',
    by: 'an object that is put while it gets another key',
    scenario: putDuringRename,
    caughtAs: /a put during a rename is lost/,
    seedsMax: 1,
    patch: (patches) => patches.method(Renames.prototype, 'isMoved', () => () => true),
  },
]
