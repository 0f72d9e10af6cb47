/** The version of package.json, which is not beside the built program. A repository test compares the two. */
export const VERSION = '0.1.0'
