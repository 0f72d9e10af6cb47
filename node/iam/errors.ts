/** AWS's errors about identities: code, status, text. */

import { IamError } from '../../gateway/port/iam-backend.ts'

export function noSuchEntity(what: string, name: string): IamError {
  return new IamError('NoSuchEntity', 404, `The ${what} with name ${name} cannot be found.`)
}

export function alreadyExists(what: string, name: string): IamError {
  return new IamError('EntityAlreadyExists', 409, `${what} with name ${name} already exists.`)
}

export function limitExceeded(message: string): IamError {
  return new IamError('LimitExceeded', 409, message)
}

/** The entity that is to be deleted is still in use. */
export function deleteConflict(message: string): IamError {
  return new IamError('DeleteConflict', 409, message)
}

/** Another change was made at the same time. Nothing of this one has happened, and the client may retry. */
export function concurrentModification(): IamError {
  return new IamError(
    'ConcurrentModification',
    409,
    'The request was rejected because multiple requests to change this object were submitted simultaneously. Wait a few minutes and submit your request again.',
  )
}

export function accessDenied(message: string): IamError {
  return new IamError('AccessDenied', 403, message)
}

export function validationError(message: string): IamError {
  return new IamError('ValidationError', 400, message)
}

export function invalidInput(message: string): IamError {
  return new IamError('InvalidInput', 400, message)
}

export function malformedPolicy(message: string): IamError {
  return new IamError('MalformedPolicyDocument', 400, message)
}
