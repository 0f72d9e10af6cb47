/** What the admin port shows of join tokens and of the cluster secret: never what opens with them. */

/** A join token. */
export interface TokenStatus {
  readonly id: string
  readonly expiresMs: number
  /** Nodes that it may admit. */
  readonly uses: number
  /** That it has admitted, or that asked to be in a change which went back. */
  readonly nodes: readonly string[]
  /** Theirs, or their short ids. */
  readonly names: readonly string[]
}

/** Of the cluster secret. */
export interface SecretStatus {
  /** 1 is the first. */
  readonly generation: number
  readonly sinceMs?: number | undefined
  /** All access keys, as far as this node has looked. */
  readonly keysSealed: boolean
  /** Until then sessions of the one before are good. Absent: they are not. */
  readonly previousUntilMs?: number | undefined
}

/** The scrub that runs, or else the last one. */
export interface ScrubStatus {
  readonly running: boolean
  readonly startedMs?: number | undefined
  /** Absent before the first one has finished, and while one runs. */
  readonly finishedMs?: number | undefined
  readonly error?: string | undefined
  /** Finished since the start of the node. */
  readonly passes: number
  readonly doneBytes: number
  readonly totalBytes: number
  /** Live records read and compared. */
  readonly records: number
  /** Damaged records, or stretches of the log. */
  readonly bad: number
  /** Rows of the index that were wrong or missing. */
  readonly badRows: number
  readonly mended: number
  /** What could not be mended, yet. */
  readonly left: number
  /** What registers name and was not where it should be, what of it was fetched, what no replica has for
   * good, and what could not be found out. */
  readonly missing: number
  readonly fetched: number
  readonly lost: number
  readonly unknown: number
}

/** Versions of objects, parts, and pages of versions whose data no replica has any more. */
export interface LostStatus {
  readonly objects: readonly {
    readonly bucket: string
    readonly key: string
    /** 'null', a version id, or in brackets what else is lost of the key. */
    readonly versionId: string
    readonly sizeBytes: number
    readonly foundMs: number
  }[]
  /** Members that did not say what they know. */
  readonly unanswered: number
}

export interface UpkeepStatus {
  readonly compaction: {
    readonly state: 'idle' | 'working' | 'stopped'
    readonly segments: number
    readonly movedBytes: number
    readonly freedBytes: number
    /** They hold damage and have to stay. */
    readonly stuckSegments: number
    /** Bytes appended to the log since the start, by those that were not copied by compaction. */
    readonly writeAmplification: number
  }
  readonly scrub: ScrubStatus
}

export interface NodeStatus {
  readonly node: string
  readonly cluster: string
  readonly epoch: number
  readonly layoutState: 'STABLE' | 'PLANNED' | 'JOINT'
  readonly replication: number
  /** Set when losing one node stops writes (two members). */
  readonly warnings: readonly string[]
  readonly members: readonly {
    readonly node: string
    /** Its short id where it has none. */
    readonly name: string
    readonly zone: string
    readonly addresses: readonly string[]
    readonly capacityBytes: number
    readonly up: boolean
    readonly freeBytes?: number | undefined
    readonly usedBytes?: number | undefined
    /** Partitions of its own on which it does not vote, because it may have forgotten something, and why. */
    readonly forgottenPartitions?: number | undefined
    readonly forgottenWhy?: readonly string[] | undefined
    /** Partitions of which it has lost something for good, because there was no other replica. */
    readonly lostPartitions?: number | undefined
  }[]
  readonly partitions: {
    readonly total: number
    /** All replicas up and, by the last exchange of digests, the same. */
    readonly whole: number
    readonly degraded: number
    /** Not yet compared since a peer came back. */
    readonly unverified: number
  }
  readonly resync: { readonly pending: number; readonly done: number; readonly running: boolean }
  readonly recovery: {
    readonly running: boolean
    readonly recordsReplayed: number
    readonly bytesReplayed: number
    readonly damagedRecords: number
    /** Since the start the index was made anew from the log: because it was missing, damaged, or of
     * another form. */
    readonly indexRebuilt: boolean
  }
  readonly space: {
    readonly totalBytes: number
    readonly freeBytes: number
    readonly logBytes: number
    /** Of the log: what compaction can give back now, and what it can once nothing older is left. */
    readonly deadBytes: number
    readonly removalBytes: number
    /** Freed by the collector since the start: blocks, bytes, and deleted registers forgotten. */
    readonly freedBlocks: number
    readonly freedBytes: number
    readonly registersCollected: number
    /** Data waiting to be judged or freed. */
    readonly queued: number
  }
  readonly upkeep: UpkeepStatus
  /** Entries of the list of what is lost for good (`shoal status --lost`). */
  readonly lost: number
  /** Earlier sets of members from which blocks are still fetched. */
  readonly sources: number
  /** Partitions that hold up a change of the layout, and nodes whose return would help. Absent when none. */
  readonly held?: { readonly partitions: number; readonly nodes: readonly string[] } | undefined
  /** Blocks on their way to the nodes that hold them by the layout. */
  readonly moves: { readonly pendingBytes: number; readonly bytesPerSecond: number }
  /** Whichever one fails now, requests go on and nothing is lost. */
  readonly canLoseANode: boolean
  /** Why, or why not: 'every partition has a majority without it'. */
  readonly canLoseANodeWhy: string
  readonly uptimeSeconds: number
}
