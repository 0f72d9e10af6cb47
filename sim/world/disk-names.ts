/** Names of files on a simulated disk: changes of them, and paths in one form. */

import { Inode } from './inode.ts'

/** `from` and `inode` are absent for a removal, `from` for a creation. */
export class NameChange {
  readonly directory: string
  private readonly to: string
  private readonly inode: Inode | undefined
  private readonly from: string | undefined

  constructor(to: string, inode?: Inode, from?: string) {
    this.directory = parentDirectory(to)
    this.to = to
    this.inode = inode
    this.from = from
  }

  apply(names: Map<string, Inode>): void {
    if (this.inode === undefined) {
      names.delete(this.to)
      return
    }
    if (this.from !== undefined && names.get(this.from) === this.inode) names.delete(this.from)
    names.set(this.to, this.inode)
  }

  clone(cloneOf: (inode: Inode) => Inode): NameChange {
    return new NameChange(this.to, this.inode && cloneOf(this.inode), this.from)
  }
}

export function normalPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  return parts.length === 0 ? '.' : parts.join('/')
}

export function parentDirectory(path: string): string {
  const at = path.lastIndexOf('/')
  return at === -1 ? '.' : path.slice(0, at)
}
