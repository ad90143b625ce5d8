//! The load generator of the hub's figures: one process, one core.
//!
//! `main` owns the command line and the output: one line of JSON on standard output for a
//! measurement that was completed, else one sentence on standard error and status 1 (2 for a bad
//! command line). What it connects to is always 127.0.0.1; it must never be pointed at anything
//! else. `../run` drives it.

mod askers;
mod backend;
mod channels;
mod clients;
mod error;
mod frame;
mod handshake;
mod http;
mod ledger;
mod mock;
mod options;
mod process;
mod publish;
mod stand;
mod subscribers;
mod witnesses;

use std::process::ExitCode;

use error::LoadError;
use options::{Options, USAGE};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("hub: {error}");
            return ExitCode::from(2);
        }
    };
    let server = process::Process { pid: options.pid };
    let figures = match options.mode.as_str() {
        "publish" => publish::run(&options, server),
        "idle" => channels::idle(&options, server),
        "kept" => channels::kept(&options, server),
        "backend" => backend::run(&options, server),
        other => Err(LoadError::Usage(format!("{other} is no mode\n{USAGE}"))),
    };
    match figures {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error @ LoadError::Usage(_)) => {
            eprintln!("hub: {error}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("hub: {}: {error}", options.mode);
            ExitCode::FAILURE
        }
    }
}
