/** Names of nodes, for people. Two nodes may have the same name: commands then ask for the id. */

import { basename, resolve } from 'node:path'
import { shortId, type NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'

export const NODE_NAME = /^[A-Za-z0-9._-]{1,64}$/
const NAME_LENGTH_MAX = 64
const HOST_LENGTH_MAX = 32

/** 'HOST-DIRECTORY', without the domain of the host. Characters that a name can't have become dashes. */
export function defaultNodeName(host: string, data: string): string {
  const [short = ''] = host.split('.', 1)
  const parts = [plain(short).slice(0, HOST_LENGTH_MAX), plain(basename(resolve(data)))]
  const name = parts.filter((part) => part !== '').join('-')
  return name === '' ? 'node' : name.slice(0, NAME_LENGTH_MAX)
}

function plain(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replaceAll(/^-+|-+$/g, '')
}

/** The member's name, or the short id of a node without one or outside the layout. Commands take both. */
export function nameOf(view: LayoutView, node: NodeId): string {
  return view.knownMember(node)?.name ?? shortId(node)
}

/** How many nodes one line of text names at most. */
export const NAMES_MAX = 3

/** Names of the first few nodes in alphabetical order, and how many more there are. */
export function someNames(view: LayoutView, nodes: Iterable<NodeId>): string {
  const names = [...nodes].map((node) => nameOf(view, node)).sort()
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : ''
  return `${names.slice(0, NAMES_MAX).join(', ')}${more}`
}

/** Names by id, for answers that people read. */
export function namesOf(view: LayoutView, nodes: readonly NodeId[]): Record<string, string> {
  return Object.fromEntries(nodes.map((node) => [node, nameOf(view, node)]))
}
