/** The states of a multipart upload, as its record has them (G5): open → completing → completed, or open again. */

export const UPLOAD_OPEN = 1
/** The record names the version that is about to be written, and counts as a reference to its data. */
export const UPLOAD_COMPLETING = 2
export const UPLOAD_COMPLETED = 3
export const UPLOAD_ABORTED = 4
