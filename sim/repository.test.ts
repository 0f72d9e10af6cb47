/**
 * The rules of the repository that no compiler knows. They are one test file, because they all read the whole checkout,
 * and because whoever takes a change runs them by this name.
 */

// oxlint-disable import/no-unassigned-import -- each of these describes its cases when it is loaded
import './repository/testing/banned-calls.ts'
import './repository/testing/documents.ts'
import './repository/testing/folders.ts'
import './repository/testing/rules.ts'
import './repository/testing/sizes.ts'
import './repository/testing/source-files.ts'
