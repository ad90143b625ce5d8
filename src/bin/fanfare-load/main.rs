//! fanfare-load: opens many connections to a push server, publishes through it, and tells what
//! became of each message, and what it cost.
//!
//! `docs/load.md` says how to use it and how to read it. One thread, one epoll. Exit status: 0 when
//! everything came once and in order, 1 when not, or when the run could not be finished, 2 when the
//! command line asks for what cannot be. It shares no code with the server that it may measure.

#![warn(clippy::print_stderr, clippy::print_stdout)]

mod alarm;
mod body;
mod client;
mod clock;
mod descriptors;
mod echoing;
mod endpoint;
mod error;
mod fleet;
mod flights;
mod frame;
mod handshake;
mod inflate;
mod ledger;
mod mark;
mod measure;
mod opening;
mod options;
mod plan;
mod process;
mod progress;
mod protocol;
mod publisher;
mod publishing;
mod report;
mod shared;
mod storm;
mod stream;
mod tally;
mod trust;
mod work;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    let is_json = options.json;
    match work::run(options) {
        Ok((fleet, report)) => {
            fleet.progress.end();
            let text = if is_json {
                report.to_json(&fleet).to_string()
            } else {
                report.to_text(&fleet)
            };
            // A reader that has seen enough is no fault.
            let _ = writeln!(io::stdout(), "{}", text.trim_end());
            if report.is_clean(&fleet) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "fanfare-load: {error}");
            ExitCode::from(error.status())
        }
    }
}
