//! The command line: what it asks for, and what is said of one that cannot be read.

mod arguments;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{
    Parser as _,
    error::{ContextKind, ContextValue, ErrorKind},
};

use self::arguments::{CommandLine, ConfigArgs, ServeArgs, Sub};
use crate::{config::Overrides, token::command::TokenSpec};

/// Which settings `fanfare config` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigForm {
    /// All, with their defaults.
    Defaults,
    /// The few that most installations set.
    Short,
    /// All, as the demonstration has them.
    Demonstration,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CliCommand {
    /// Serve with these settings over file and environment.
    Serve(Overrides),
    /// Print settings.
    Config(ConfigForm),
    /// Check the settings.
    Check(Overrides),
    /// Make a token.
    Token(Overrides, Box<TokenSpec>),
    /// Explain a token, or the one on standard input where it is `-`.
    CheckToken(Overrides, String),
    /// Say what is kept on disk.
    State(Overrides, StateOrder),
}

/// What to do with the state on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateOrder {
    /// Say what is there.
    Show,
    /// The same, and fail where something is damaged.
    Verify,
    /// Put the revocations aside.
    DropRevocations,
}

/// Reads this process's command line; ends the process on `--help`, `--version` and faults (status
/// 2).
#[must_use]
pub fn parse() -> CliCommand {
    let mut words: Vec<_> = std::env::args_os().collect();
    if let [_, first, rest @ ..] = words.as_slice()
        && first == "help"
        && rest.iter().all(|word| word == "--help" || word == "-h")
    {
        words.truncate(2);
    }
    match CommandLine::try_parse_from(words) {
        Ok(line) => line.into(),
        Err(error) => {
            let _ = error.print();
            if let Some(hint) = hint(&error) {
                let _ = writeln!(io::stderr(), "\n{hint}");
            }
            std::process::exit(error.exit_code())
        }
    }
}

/// What was most likely meant by a line that cannot be read: where flags stand, and how a file is
/// named.
fn hint(error: &clap::Error) -> Option<String> {
    let value = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::ArgumentConflict => Some(
            "Flags stand behind the command: fanfare check --config F, fanfare serve --config F"
                .to_string(),
        ),
        ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument => {
            let word = value(ContextKind::InvalidSubcommand).or(value(ContextKind::InvalidArg))?;
            let is_file = !word.starts_with('-') && (word.contains(['.', '/']) || is_there(word));
            is_file.then(|| {
                format!("A file of settings is named by --config: fanfare check --config {word}")
            })
        }
        _ => None,
    }
}

fn is_there(word: &str) -> bool {
    PathBuf::from(word).is_file()
}

impl From<CommandLine> for CliCommand {
    fn from(line: CommandLine) -> Self {
        let serve = |serve: ServeArgs| {
            Self::Serve(Overrides {
                config: serve.config,
                listen: serve.listen,
                workers: serve.workers,
            })
        };
        let file = |config| Overrides {
            config,
            ..Overrides::default()
        };
        match line.command {
            None => serve(line.serve),
            Some(Sub::Serve(arguments)) => serve(arguments),
            Some(Sub::Config(config)) => Self::Config(match config {
                ConfigArgs { short: true, .. } => ConfigForm::Short,
                ConfigArgs { demo: true, .. } => ConfigForm::Demonstration,
                ConfigArgs { .. } => ConfigForm::Defaults,
            }),
            Some(Sub::Check(check)) => Self::Check(file(check.config)),
            Some(Sub::Token(token)) => Self::Token(
                file(token.config),
                Box::new(TokenSpec {
                    user: token.user,
                    ttl: token.ttl.0,
                    channel: token.channel,
                    channels: token.channels,
                    info: token.info,
                    claims: token.claims,
                    secret: token.secret,
                }),
            ),
            Some(Sub::CheckToken(check)) => Self::CheckToken(file(check.config), check.token),
            Some(Sub::State(state)) => {
                let order = match (state.dropped, state.verify) {
                    (Some(_), _) => StateOrder::DropRevocations,
                    (None, true) => StateOrder::Verify,
                    (None, false) => StateOrder::Show,
                };
                Self::State(file(state.config), order)
            }
        }
    }
}

#[cfg(test)]
mod tests;
