//! Tokens of these tests (JWT, HS256), made by hand. They hold no secret but the tests' own.

import { inSeconds, token as signed } from '../sdk/token.mjs';
import { TOKEN_SECRET } from './server.mjs';

export { inSeconds };

/** A token with these claims. */
export const token = (claims) => signed(claims, TOKEN_SECRET);
