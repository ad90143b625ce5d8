//! Errors by the names that the standard gives them; mini programs have no DOMException. Pure.

/** An error with a name. */
export function named(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}
