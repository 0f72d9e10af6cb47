/** What the admin port shows: join tokens and the cluster secret (never the secrets themselves), the node, scrubs. */

/** A join token. */
export interface TokenStatus {
  readonly id: string
  readonly expiresMs: number
  /** How many nodes it may admit. */
  readonly uses: number
  /** Ids of the nodes that it has admitted, or whose join was rolled back. */
  readonly nodes: readonly string[]
  /** Their names, or their short ids when they have none. */
  readonly names: readonly string[]
}

/** The cluster secret. */
export interface SecretStatus {
  /** Counts from 1. */
  readonly generation: number
  readonly sinceMs?: number | undefined
  /** Whether all access keys that this node has looked at are encrypted with this generation. */
  readonly keysSealed: boolean
  /** Until when sessions signed by the previous secret are valid. Absent when they are not. */
  readonly previousUntilMs?: number | undefined
}

/** The scrub that is running, or else the last one. */
export interface ScrubStatus {
  readonly running: boolean
  readonly startedMs?: number | undefined
  /** Absent until the first scrub has finished, and while one is running. */
  readonly finishedMs?: number | undefined
  readonly error?: string | undefined
  /** Scrubs finished since the node started. */
  readonly passes: number
  readonly doneBytes: number
  readonly totalBytes: number
  /** Live records read and compared. */
  readonly records: number
  /** Damaged records or ranges of the log. */
  readonly bad: number
  /** Rows of the index that were wrong or missing. */
  readonly badRows: number
  readonly mended: number
  /** What could not be mended so far. */
  readonly left: number
  /** Data that registers name and that was not where it belongs: in all, fetched from a replica, lost for
   * good, and not decided because replicas did not answer. */
  readonly missing: number
  readonly fetched: number
  readonly lost: number
  readonly unknown: number
}

/** Versions of objects, parts, and pages of versions whose data is on no replica any more. */
export interface LostStatus {
  readonly objects: readonly {
    readonly bucket: string
    readonly key: string
    /** 'null', a version id, or in brackets another thing of this key that is lost. */
    readonly versionId: string
    readonly sizeBytes: number
    readonly foundMs: number
  }[]
  /** How many members did not answer. */
  readonly unanswered: number
}

/** Compaction and scrub of this node. */
export interface UpkeepStatus {
  readonly compaction: {
    readonly state: 'idle' | 'working' | 'stopped'
    readonly segments: number
    readonly movedBytes: number
    readonly freedBytes: number
    /** Segments that must be kept because they contain damage. */
    readonly stuckSegments: number
    /** Bytes appended to the log since the start, divided by those that compaction did not copy. */
    readonly writeAmplification: number
  }
  readonly scrub: ScrubStatus
}

/** What `shoal status` shows: this node, and the cluster as this node sees it. */
export interface NodeStatus {
  readonly node: string
  readonly cluster: string
  readonly epoch: number
  readonly layoutState: 'STABLE' | 'PLANNED' | 'JOINT'
  readonly replication: number
  /** For example that losing one node stops writes (two members). */
  readonly warnings: readonly string[]
  readonly members: readonly {
    readonly node: string
    /** Its short id when it has no name. */
    readonly name: string
    readonly zone: string
    readonly addresses: readonly string[]
    readonly capacityBytes: number
    readonly up: boolean
    readonly freeBytes?: number | undefined
    readonly usedBytes?: number | undefined
    /** Partitions of its own on which it does not vote, because it may have forgotten promises; and why. */
    readonly forgottenPartitions?: number | undefined
    readonly forgottenWhy?: readonly string[] | undefined
    /** Partitions of which it lost data for good, because there was no other replica. */
    readonly lostPartitions?: number | undefined
  }[]
  readonly partitions: {
    readonly total: number
    /** All replicas are up, and their last exchange of digests showed no difference. */
    readonly whole: number
    readonly degraded: number
    /** Not compared since a peer came back. */
    readonly unverified: number
  }
  readonly resync: { readonly pending: number; readonly done: number; readonly running: boolean }
  readonly recovery: {
    readonly running: boolean
    readonly recordsReplayed: number
    readonly bytesReplayed: number
    readonly damagedRecords: number
    /** At this start the index was rebuilt from the log, because it was missing, damaged, or of another
     * format. */
    readonly indexRebuilt: boolean
  }
  readonly space: {
    readonly totalBytes: number
    readonly freeBytes: number
    readonly logBytes: number
    /** Bytes of the log that compaction can free now, and those it can free once no older data is left. */
    readonly deadBytes: number
    readonly removalBytes: number
    /** What the collector freed since the start: blocks, their bytes, and registers of deleted keys. */
    readonly freedBlocks: number
    readonly freedBytes: number
    readonly registersCollected: number
    /** Data waiting to be checked or freed. */
    readonly queued: number
  }
  readonly upkeep: UpkeepStatus
  /** Entries in the list of data lost for good (`shoal status --lost`). */
  readonly lost: number
  /** Earlier sets of members from which blocks are still fetched. */
  readonly sources: number
  /** Partitions that hold up a change of the layout, and nodes whose return would help, if there are any. */
  readonly held?: { readonly partitions: number; readonly nodes: readonly string[] } | undefined
  /** Blocks being moved to the nodes that the layout assigns them to. */
  readonly moves: { readonly pendingBytes: number; readonly bytesPerSecond: number }
  /** Any one node may fail now: requests continue and nothing is lost. */
  readonly canLoseANode: boolean
  /** Why, or why not: 'every partition has a majority without it'. */
  readonly canLoseANodeWhy: string
  readonly uptimeSeconds: number
}
