/** Of package.json, which does not lie beside the built program; a repository test compares them. */
export const VERSION = '0.1.0'
