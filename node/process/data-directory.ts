/**
 * The data directory of one node:
 *
 *   node.json         who this node is (node-record.ts), mode 0600: it holds the private key
 *   node.json.copy    the same once more
 *   lock              directory-lock.ts
 *   credentials.json  root credentials, founder only, mode 0600
 *   admin-credential  opens the admin port while the node runs, mode 0600
 *   shoal.pid         id of the Node process itself while it runs
 *   layout*.json      layout/layout-store.ts
 *   forgotten         repair/forgotten.ts
 *   sightings         replica/sightings.ts
 *   spare             env/spare-room.ts
 *   log/ index/       the segments, and the index made from them
 *
 * Invariants:
 *   - a directory that holds anything else is refused and nothing in it is changed     (D1)
 *   - the boot counter on disk is higher than at any earlier start before `open` returns (P1, G5)
 *   - node.json is always whole: the old content or the new, never a part
 */

import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ADMIN_CREDENTIAL_FILE, type AdminCredential } from '../../gateway/port/admin-credential.ts'
import { assert } from '../../protocol/assert.ts'
import { hex } from '../../protocol/bytes.ts'
import { storageId } from '../../protocol/ids.ts'
import { giveSpareRoom } from '../env/spare-room.ts'
import { UsageError } from '../tools/usage-error.ts'
import { writeAdminCertificates } from './certificate-files.ts'
import {
  readCredentials,
  writeAdminCredential,
  writeCredentials,
  type RootCredentials,
} from './credential-files.ts'
import { closeToOthers } from './directory-access.ts'
import {
  isLockFile,
  lockDirectory,
  systemProcesses,
  type DirectoryLock,
  type Processes,
} from './directory-lock.ts'
import { makeDirectory, replaceFile } from './durable-file.ts'
import { damagedNodeFile, readNode, writeNode } from './node-file.ts'
import {
  BOOT_MAX,
  NODE_COPY_FILE,
  NODE_FILE,
  NODE_VERSION,
  type NodeRecord,
} from './node-record.ts'

const PID_FILE = 'shoal.pid'
const STORAGE_ID_BYTES = 12
/** No log has this id. */
const UNKNOWN_LOG_ID = '0'.repeat(32)

/** What a running node may change in node.json. */
export type NodeChanges = Partial<
  Pick<
    NodeRecord,
    | 'boot'
    | 'addresses'
    | 's3Tls'
    | 'zone'
    | 'capacityBytes'
    | 'clusterSecret'
    | 'moreSecrets'
    | 'logId'
  >
>

/** What a new directory gets. */
export interface Birth {
  readonly origin: NodeRecord['origin']
  /** libp2p's protobuf bytes of a new Ed25519 key. */
  readonly privateKey: Uint8Array
  /** 12 random bytes (D1). */
  readonly storageIdBytes: Uint8Array
}

/** An open directory, which this process has locked. `openDataDirectory` makes it. */
export class DataDirectory {
  /** An absolute path. */
  readonly path: string
  /** This start formatted it. */
  readonly isNew: boolean
  /** Which of node.json and its copy was damaged or missing. This start has written it again. */
  readonly repairedFile: string | undefined
  /** Names of what other users could read or change. This start has closed them to others. */
  readonly closed: readonly string[]
  readonly #lock: DirectoryLock
  #node: NodeRecord

  constructor(
    path: string,
    node: NodeRecord,
    found: Pick<DataDirectory, 'isNew' | 'repairedFile' | 'closed'>,
    lock: DirectoryLock,
  ) {
    this.path = path
    this.isNew = found.isNew
    this.repairedFile = found.repairedFile
    this.closed = found.closed
    this.#node = node
    this.#lock = lock
  }

  /** As it is on the disk. */
  get node(): NodeRecord {
    return this.#node
  }

  get privateKey(): Uint8Array {
    return new Uint8Array(Buffer.from(this.#node.privateKey, 'base64'))
  }

  /** Durable when it returns. */
  remember(changes: NodeChanges): void {
    this.#node = { ...this.#node, ...changes }
    writeNode(this.path, this.#node)
  }

  /** Hex. Undefined only before this directory gets its first log. */
  expectedLogId(): string | undefined {
    const { logId, addresses } = this.#node
    if (logId !== undefined) return logId
    // Earlier programs did not write the id down, but a node that has served has had a log.
    const isGone = !existsSync(join(this.path, 'log', 'id'))
    return addresses.s3 !== undefined && isGone ? UNKNOWN_LOG_ID : undefined
  }

  /** Undefined on nodes that did not found the cluster. */
  credentials(): RootCredentials | undefined {
    return readCredentials(this.path)
  }

  /** Mode 0600, durable when it returns. */
  writeCredentials(credentials: RootCredentials): void {
    writeCredentials(this.path, credentials)
  }

  /** The admin credential of this run, not written yet. */
  adminCredential(random: Uint8Array): AdminCredential {
    return {
      secret: hex(random),
      path: join(this.path, ADMIN_CREDENTIAL_FILE),
    }
  }

  /** Throws UsageError when the file system lets other users read the file. */
  writeAdminCredential(credential: AdminCredential): void {
    writeAdminCredential(credential)
  }

  /** Lets the next process in. This process must not use the directory afterwards. */
  close(): void {
    rmSync(join(this.path, PID_FILE), { force: true })
    rmSync(join(this.path, ADMIN_CREDENTIAL_FILE), { force: true })
    writeAdminCertificates(this.path, undefined)
    this.#lock.release()
  }

  /** Instead of `close`: removes what this start has formatted. Nothing else in the node removes a data directory. */
  discard(): void {
    assert(this.isNew, 'only the start that formatted a directory may discard it')
    // This start found at most leftovers, so it made everything else. `close` removes the lock. node.json is removed last,
    // and only if everything else is gone: the next start would refuse other files without it.
    const errors: unknown[] = []
    const attempt = (step: () => void): void => {
      try {
        step()
      } catch (error) {
        errors.push(error)
      }
    }
    for (const name of readdirSync(this.path)) {
      if (name === NODE_FILE || isLeftover(name)) continue
      attempt(() => rmSync(join(this.path, name), { recursive: true, force: true }))
    }
    if (errors.length === 0) attempt(() => rmSync(join(this.path, NODE_FILE), { force: true }))
    attempt(() => this.close())
    if (errors.length > 0) throw errors[0]
  }
}

/**
 * Locks the directory, formats it when it is empty or does not exist, and raises the boot counter. Throws UsageError
 * when it is in use, holds something else, or has an unknown version.
 *
 * @param birth called at most once, when the directory is formatted
 */
export function openDataDirectory(
  directory: string,
  birth: () => Birth,
  processes: Processes = systemProcesses(),
): DataDirectory {
  const path = resolve(directory)
  const before = readNode(path)
  if (before === undefined) refuseForeign(path)
  makeDirectory(path)
  giveSpareRoom(path)
  const lock = lockDirectory(path, processes)
  try {
    const stored = readNode(path)
    const isNew = stored === undefined
    const repairedFile = isNew ? undefined : damagedNodeFile(path)
    const node = next(path, stored ?? format(birth()))
    writeNode(path, node)
    const closed = closeToOthers(path, isNew)
    // A run that was killed leaves its admin credential behind.
    rmSync(join(path, ADMIN_CREDENTIAL_FILE), { force: true })
    for (const name of ['log', 'index']) makeDirectory(join(path, name))
    replaceFile(join(path, PID_FILE), `${processes.self}\n`)
    return new DataDirectory(path, node, { isNew, repairedFile, closed }, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Locks the directory of a stopped node for a command. Throws UsageError when the node runs, or when there is none. */
export function lockStopped(directory: string): DirectoryLock {
  const path = resolve(directory)
  if (readNode(path) === undefined)
    throw new UsageError(`${path} is not the data directory of a node`)
  return lockDirectory(path, systemProcesses())
}

function format({ origin, privateKey, storageIdBytes }: Birth): NodeRecord {
  return {
    version: NODE_VERSION,
    privateKey: Buffer.from(privateKey).toString('base64'),
    storageId: storageId(hex(storageIdBytes.subarray(0, STORAGE_ID_BYTES))),
    boot: 0,
    origin,
    addresses: {},
  }
}

function next(path: string, node: NodeRecord): NodeRecord {
  if (node.boot < BOOT_MAX) return { ...node, boot: node.boot + 1 }
  throw new UsageError(`data directory ${path}: its boot counter is used up`)
}

/** A directory without node.json must hold nothing but what an interrupted format leaves behind. */
function refuseForeign(path: string): void {
  let names: string[]
  try {
    names = readdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    if (code === 'ENOTDIR') throw new UsageError(`${path} is a file, not a data directory`)
    throw error
  }
  if (names.includes('node-0')) {
    throw new UsageError(
      `${path} holds a whole cluster: use \`shoal cluster --data\`, or node-0 in it`,
    )
  }
  const foreign = names.find((name) => !isLeftover(name))
  if (foreign === undefined) return
  const what = JSON.stringify(foreign.slice(0, 60))
  throw new UsageError(`${path} holds ${what} and no node.json: give an empty directory`)
}

function isLeftover(name: string): boolean {
  return (
    isLockFile(name) ||
    name === `${NODE_FILE}.new` ||
    name === `${NODE_COPY_FILE}.new` ||
    name === 'lost+found'
  )
}
