//! The command line, read by clap.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Overrides;

#[derive(Parser)]
#[command(
    name = "fanfare",
    version,
    about = "A push server: WebSocket first, actor-based, one binary",
    after_help = "Without --config and FANFARE_CONFIG a demonstration runs at http://127.0.0.1:8080/.",
    args_conflicts_with_subcommands = true
)]
struct Line {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Sub {
    /// Serve; the word may be left out
    Serve(Serve),
    /// Print every setting with its default and a sentence, as a file to start from
    Config,
    /// Check a file of settings and say everything that is wrong with it
    Check(Check),
}

#[derive(Args)]
struct Serve {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// Where to listen: host:port, tls:host:port or unix:/path; any number of times
    #[arg(long, value_name = "A")]
    listen: Vec<String>,
    /// Worker threads
    #[arg(long, value_name = "N")]
    workers: Option<String>,
}

#[derive(Args)]
struct Check {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve with these settings over file and environment.
    Serve(Overrides),
    /// Print all settings.
    Config,
    /// Check the settings.
    Check(Overrides),
}

/// Reads this process's command line; ends the process on `--help`, `--version` and faults (status 2).
#[must_use]
pub fn parse() -> Command {
    Line::parse().into()
}

impl From<Line> for Command {
    fn from(line: Line) -> Self {
        let serve = |serve: Serve| {
            Self::Serve(Overrides {
                config: serve.config,
                listen: serve.listen,
                workers: serve.workers,
            })
        };
        match line.command {
            None => serve(line.serve),
            Some(Sub::Serve(arguments)) => serve(arguments),
            Some(Sub::Config) => Self::Config,
            Some(Sub::Check(check)) => Self::Check(Overrides {
                config: check.config,
                ..Overrides::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &[&str]) -> Command {
        Line::try_parse_from(line)
            .unwrap_or_else(|error| panic!("{error}"))
            .into()
    }

    #[test]
    fn serve_may_be_left_out() {
        let overrides = Overrides {
            config: Some("f.toml".into()),
            listen: vec!["a:1".into(), "unix:/s".into()],
            workers: Some("3".into()),
        };
        let flags = [
            "--config",
            "f.toml",
            "--listen",
            "a:1",
            "--listen",
            "unix:/s",
            "--workers",
            "3",
        ];
        let long = [&["fanfare", "serve"][..], &flags].concat();
        let short = [&["fanfare"][..], &flags].concat();
        assert_eq!(command(&long), Command::Serve(overrides.clone()));
        assert_eq!(command(&short), Command::Serve(overrides));
        assert_eq!(command(&["fanfare"]), Command::Serve(Overrides::default()));
        assert_eq!(command(&["fanfare", "config"]), Command::Config);
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Line::command().debug_assert();
    }
}
