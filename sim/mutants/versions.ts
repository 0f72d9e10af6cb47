/** Breaks of the pages that hold older versions (docs/protocol.md). */

import { byteString } from '../../protocol/bytes.ts'
import { isLacking } from '../../protocol/object/pages.ts'
import type { Edited } from '../../protocol/object/versions.ts'
import {
  ObjectChanges,
  type ObjectEdit,
  type EditInput,
} from '../../node/objects/object-changes.ts'
import { simulated, type NodeMutant } from './mutant.ts'
import type { Patches } from './patches.ts'

const VERSIONS = simulated({ workloads: ['versions'] })

/** Every edit of an object's record goes through `change`. */
function edited(patches: Patches, change: (result: Edited, input: EditInput) => Edited): void {
  patches.method(
    ObjectChanges.prototype,
    'run',
    (original) =>
      function (this: ObjectChanges, context, bucket, key, edit, block) {
        const broken: ObjectEdit = (input) => {
          const result = edit(input)
          return result === undefined || isLacking(result) ? result : change(result, input)
        }
        return original.call(this, context, bucket, key, broken, block)
      },
  )
}

export const VERSION_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'spill-loses-a-version',
    rule: 'T9',
    breaks: 'of the versions that move into a page the oldest is left out',
    by: 'workload versions',
    scenario: VERSIONS,
    caughtAs: /not listed|NoSuchVersion/,
    seedsMax: 6,
    slow: true,
    patch: (patches) => {
      edited(patches, (result) => ({
        ...result,
        made: result.made.map(({ dataId, page }) => {
          const { versions } = page
          const kept = versions.length > 1 ? versions.slice(0, -1) : versions
          return { dataId, page: { ...page, versions: kept } }
        }),
      }))
    },
  },
  {
    name: 'page-released-while-named',
    rule: 'G5',
    breaks: 'a write releases the pages that its record still points to',
    by: 'checker of space, workload versions',
    scenario: VERSIONS,
    caughtAs: /freed, but named|Unavailable|in the end/,
    seedsMax: 6,
    slow: true,
    patch: (patches) => {
      edited(patches, (result, { record }) => {
        const named = new Set(result.record.pages.map(({ dataId }) => byteString(dataId)))
        const kept = record.pages.filter(({ dataId }) => named.has(byteString(dataId)))
        return { ...result, dropped: [...result.dropped, ...kept] }
      })
    },
  },
]
