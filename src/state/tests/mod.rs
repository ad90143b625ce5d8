//! Tests of the log: each on a [`SimulatedMachine`](machine::SimulatedMachine) whose disk can
//! forget and refuse, one turn at a time.

mod harness;
mod machine;
mod model;
mod reading;
mod real;
mod refusals;
mod snapshots;
mod version_1;
