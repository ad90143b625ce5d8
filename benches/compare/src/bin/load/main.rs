//! The load generator of the comparison: one process, one thread, one core.
//!
//! `main` owns the command line and the output: one line of JSON on standard output for a measurement that was
//! completed, else one sentence on standard error and status 1 (2 for a bad command line). What it connects to is
//! always 127.0.0.1; it must never be pointed at anything else. `../../../run` drives it.

mod error;
mod fan;
mod fleet;
mod frame;
mod handshake;
mod header;
mod idle;
mod ledger;
mod never_reads;
mod options;
mod process;

use std::process::ExitCode;

use error::LoadError;
use options::{Options, USAGE};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("load: {error}");
            return ExitCode::from(2);
        }
    };
    let server = process::Process { pid: options.pid };
    let figures = match options.mode.as_str() {
        "fan" => fan::run(&options, server),
        "idle" => idle::run(&options, server),
        "never_reads" => never_reads::run(&options, server),
        "header_2_40" => header::run(&options, server),
        other => Err(LoadError::Usage(format!("{other} is no mode\n{USAGE}"))),
    };
    match figures {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error @ LoadError::Usage(_)) => {
            eprintln!("load: {error}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("load: {} against {}: {error}", options.mode, options.server);
            ExitCode::FAILURE
        }
    }
}
