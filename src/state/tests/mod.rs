//! Tests of the log: each on a [`Machine`](machine::Machine) whose disk can forget and refuse, one
//! turn at a time.

mod files;
mod machine;
mod model;
mod real;
mod stage;
mod version_1;
