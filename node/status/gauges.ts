/**
 * The metrics of a node's own work for `GET /metrics`, one function for each part of the node.
 * Reading them costs no disk access and no message. Names are kept for good: dashboards use them.
 */

import type { Gauge } from '../../gateway/port/admin.ts'
import { counter, gauge } from '../tools/gauge.ts'
import type { StatusOptions } from './status-options.ts'

/** All gauges and counters as they are now. */
export function gaugesOf(options: StatusOptions): readonly Gauge[] {
  return [
    ...logGauges(options),
    ...damageGauges(options),
    ...diskGauges(options),
    ...resyncGauges(options),
    ...options.upkeep.gauges(),
    ...spaceGauges(options),
    ...roomGauges(options),
    ...layoutGauges(options),
    ...options.extraGauges(),
  ]
}

function logGauges({ store }: StatusOptions): readonly Gauge[] {
  const stats = store.stats()
  return [
    counter('shoal_log_flushes_total', 'Flushes of the log', stats.flushes),
    counter('shoal_log_bytes_total', 'Bytes written to the log', stats.bytes),
    gauge('shoal_log_size_bytes', 'Size of all segments', stats.logBytes),
    gauge('shoal_log_dead_bytes', 'Part of them that compaction can free', stats.deadBytes),
    gauge(
      'shoal_log_removal_bytes',
      'Records of removals, needed while anything older is left',
      stats.removalBytes,
    ),
    gauge('shoal_log_segments', 'Segments of the log', stats.segments),
    counter(
      'shoal_log_refused_total',
      'Appends refused because too many others were waiting',
      stats.refused,
    ),
    gauge('shoal_log_waiting_bytes', 'Appended and not flushed yet', stats.waitingBytes),
    gauge('shoal_log_damaged_records', 'Records found damaged at start', stats.damaged),
    gauge('shoal_index_pending_rows', 'Rows that the index has not committed', stats.pendingRows),
    gauge('shoal_index_rebuilt', '1 when the start rebuilt the index', stats.indexRebuilt ? 1 : 0),
  ]
}

/** What is damaged, forgotten or lost. All are 0 on a healthy node. */
function damageGauges(options: StatusOptions): readonly Gauge[] {
  const { blocks, damaged, forgotten, lost, recall } = options
  return [
    gauge(
      'shoal_lost_objects',
      'What this node knows to be lost for good: no replica has its data',
      lost.objects.count,
    ),
    gauge(
      'shoal_registers_damaged',
      'Registers found damaged and not repaired yet: they give no vote',
      damaged.waiting(),
    ),
    gauge('shoal_blocks_damaged', 'Blocks found damaged and not repaired yet', blocks.damagedCount),
    gauge(
      'shoal_forgotten_partitions',
      'Partitions on which this node does not vote because it may have forgotten something',
      recall.forgotten().length,
    ),
    gauge(
      'shoal_lost_partitions',
      'Partitions without another replica of which something was lost for good',
      forgotten.notes.lostPartitions,
    ),
  ]
}

function diskGauges({ store, disk, blocks }: StatusOptions): readonly Gauge[] {
  const { freeBytes, full } = store.stats()
  return [
    gauge('shoal_disk_free_bytes', 'Free space of the disk', freeBytes),
    gauge('shoal_disk_full', '1 when only deletes are written', full ? 1 : 0),
    gauge(
      'shoal_disk_silent_seconds',
      'Age of the oldest operation that the disk has not answered',
      disk.silentMs() / 1_000,
    ),
    counter(
      'shoal_disk_reads_refused_total',
      'Reads not begun because the disk did not answer',
      blocks.refusedReads,
    ),
  ]
}

function resyncGauges({ resync }: StatusOptions): readonly Gauge[] {
  return [
    gauge('shoal_resync_pending', 'Partitions still to compare', resync.pendingCount),
    counter('shoal_resync_done_total', 'Registers and blocks pulled', resync.doneCount),
    counter('shoal_resync_bytes_total', 'Bytes of blocks pulled', resync.doneBytes),
  ]
}

/** What the collector has freed and still has to free. */
function spaceGauges(options: StatusOptions): readonly Gauge[] {
  const space = options.space()
  return [
    counter('shoal_space_freed_blocks_total', 'Blocks of this node freed', space.freedBlocks),
    counter('shoal_space_freed_bytes_total', 'Bytes of the freed blocks', space.freedBytes),
    counter(
      'shoal_space_collected_registers_total',
      'Deleted registers that this node forgot',
      space.registersCollected,
    ),
    gauge('shoal_space_queued', 'Data waiting to be checked or freed', space.queued),
    counter(
      'shoal_space_unsent_total',
      'Freed blocks that some node could not be told of; the scan finds them',
      space.unsent,
    ),
    counter('shoal_space_scans_total', 'Scans for unreferenced data finished', space.scanPasses),
    counter('shoal_space_scanned_rows_total', 'Rows that the scans read', space.scannedRows),
    counter('shoal_space_orphans_total', 'Unreferenced data found by the scans', space.orphans),
    gauge('shoal_space_tombstones_pending', 'Deleted registers to forget', space.tombstonesPending),
    gauge(
      'shoal_space_kept_blocks',
      'Blocks that are freed once their last reader is done',
      space.keptBlocks,
    ),
    gauge('shoal_attempts_running', 'Attempts to store data under way', space.attemptsRunning),
  ]
}

/** Memory for blocks on their way, and second calls to slow peers. */
function roomGauges({ replicator, readRoom, peers }: StatusOptions): readonly Gauge[] {
  const { room } = replicator
  const { health } = peers
  return [
    gauge('shoal_write_room_waiting_bytes', 'Blocks that wait for memory', room.waitingBytes),
    counter('shoal_write_room_waits_total', 'Blocks that had to wait for memory', room.waits),
    counter('shoal_write_room_refused_total', 'Blocks that waited in vain', room.refused),
    gauge('shoal_read_room_used_bytes', 'Blocks being read or sent', readRoom.usedBytes),
    gauge(
      'shoal_read_room_readers_in_turns',
      'Readers that share the memory that is left',
      readRoom.readersInTurns,
    ),
    counter(
      'shoal_read_room_waits_total',
      'Blocks that found no memory of their own',
      readRoom.waits,
    ),
    counter('shoal_hedges_total', 'Second calls because a first one was slow', health.hedges),
    counter(
      'shoal_hedges_refused_total',
      'Second calls not made because there were too many',
      health.hedgesRefused,
    ),
  ]
}

/** The layout as this node knows it. */
function layoutGauges({ layout, peers }: StatusOptions): readonly Gauge[] {
  const view = layout.current()
  const members = view?.members ?? []
  return [
    gauge('shoal_epoch', 'Epoch of the layout', view?.epoch ?? 0),
    gauge('shoal_members', 'Members of the layout', members.length),
    gauge(
      'shoal_members_up',
      'Members that are connected, this node included',
      members.filter(({ nodeId }) => peers.connected(nodeId)).length,
    ),
  ]
}
