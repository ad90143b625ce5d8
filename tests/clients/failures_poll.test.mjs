//! The ten failures over long polling; see failures.mjs.

import { failuresOver } from './failures.mjs';

failuresOver('poll');
