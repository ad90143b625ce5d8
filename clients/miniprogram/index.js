/*! fanfare: client of the push server. MIT OR Apache-2.0. Made by clients/build from clients/src. */
module.exports = require('./fanfare.js');
