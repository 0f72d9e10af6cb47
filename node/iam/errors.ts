/**
 * AWS's errors about identities: code, HTTP status and text as its clients know them. Each function
 * makes the error; the caller throws it.
 */

import { IamError } from '../../gateway/port/iam-backend.ts'

/** `what` is the kind of thing ('user', 'policy version'), `name` what the caller asked for. */
export function noSuchEntity(what: string, name: string): IamError {
  return new IamError('NoSuchEntity', 404, `The ${what} with name ${name} cannot be found.`)
}

/** The name is taken in this account. */
export function alreadyExists(what: string, name: string): IamError {
  return new IamError('EntityAlreadyExists', 409, `${what} with name ${name} already exists.`)
}

/**
 * A quota is reached. `message` names it as AWS does: 'Cannot exceed quota for UsersPerAccount:
 * 5000'.
 */
export function limitExceeded(message: string): IamError {
  return new IamError('LimitExceeded', 409, message)
}

/** The entity that is to be deleted is still in use. */
export function deleteConflict(message: string): IamError {
  return new IamError('DeleteConflict', 409, message)
}

/**
 * Another change was made at the same time, so this one was not. The client may retry. The text is
 * AWS's.
 */
export function concurrentModification(): IamError {
  return new IamError(
    'ConcurrentModification',
    409,
    'The request was rejected because multiple requests to change this object were submitted simultaneously. Wait a few minutes and submit your request again.',
  )
}

/** The caller was authenticated and may not do this. `message` says which right is missing. */
export function accessDenied(message: string): IamError {
  return new IamError('AccessDenied', 403, message)
}

/** A parameter has a value that the action can't take. */
export function validationError(message: string): IamError {
  return new IamError('ValidationError', 400, message)
}

/** A parameter is well-formed but makes no sense, such as a tag key that is given twice. */
export function invalidInput(message: string): IamError {
  return new IamError('InvalidInput', 400, message)
}

/** `message` says where in the document the error is. */
export function malformedPolicy(message: string): IamError {
  return new IamError('MalformedPolicyDocument', 400, message)
}
