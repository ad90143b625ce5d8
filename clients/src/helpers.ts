//! What tsc's ES5 calls upon, in place of tslib, whose forms serve everyone and take ten times the
//! room. `build` puts them where the compiled code asks for tslib, and fails where one is missing.

/** Classes that inherit; static members stay with the class that has them. */
export function __extends(derived: Function, base: Function): void {
  derived.prototype = Object.create(base.prototype as object);
  (derived.prototype as { constructor: Function }).constructor = derived;
}

/** `{...a, ...b}`. */
export function __assign(target: { [name: string]: unknown }): unknown {
  for (let i = 1; i < arguments.length; i++) {
    const source = arguments[i] as { [name: string]: unknown } | undefined;
    for (const name in source) {
      if (Object.prototype.hasOwnProperty.call(source, name)) target[name] = source[name];
    }
  }
  return target;
}
