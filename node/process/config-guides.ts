/** What people read about the fields of the configuration. */

import { z } from 'zod'

/** What people read about a field. Texts are Markdown; links are relative to the root of the repository. */
export interface FieldGuide {
  /** What the field decides, in whole sentences. */
  readonly meaning: string
  /** What a larger, smaller or other value costs. Absent where it costs nothing. */
  readonly cost?: string
  /** Which values it takes. */
  readonly takes: string
  /** What holds where no value is given. Absent where the schema has a default. */
  readonly otherwise?: string
  /** Where the node keeps a value that an earlier start was given. Absent where it does not. */
  readonly remembered?: string
}

/** Fields by their guides. A field registers itself. */
export const guides = z.registry<FieldGuide>()
