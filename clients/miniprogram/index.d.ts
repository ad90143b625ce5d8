// Made by clients/build.

import Fanfare = require('./fanfare');
export = Fanfare;
