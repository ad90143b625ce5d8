//! The ten failures over server-sent events; see failures.mjs.

import { failuresOver } from './failures.mjs';

failuresOver('sse');
