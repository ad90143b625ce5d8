//! fanfare-load, run as users run it: against a server that loses, doubles, reorders and delays on
//! purpose (`faulty`), against the real fanfare (`real`), and with command lines that make no
//! sense.

mod faulty;
mod real;
mod usage;

use std::process::{Command, Output};

use serde_json::Value;

/// Runs the tool and gives its status, its JSON where it printed some, and what it said.
pub(crate) fn load(arguments: &[&str]) -> (i32, Value, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_fanfare-load"))
        .args(arguments)
        .args(["--json", "--quiet"])
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap_or(-1), told, said)
}
