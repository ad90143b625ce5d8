//! The command line, read by clap.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use clap::{
    Args, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    config::{Overrides, Secret},
    token::command::TokenSpec,
};

#[derive(Parser)]
#[command(
    name = "fanfare",
    version,
    about = "A push server: WebSocket first, actor-based, one binary",
    after_help = "Without --config and FANFARE_CONFIG a demonstration runs at \
                  http://127.0.0.1:8080/.",
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
    /// Print every setting with its default and a sentence, as a file
    Config(Config),
    /// Check a file of settings and say everything that is wrong with it
    Check(Check),
    /// Make a token for a client, signed with the first token.hmac_secret (HS256)
    Token(Token),
    /// Explain a token: what it says, which key made it, and whether it counts (exit status 0) or
    /// not (1)
    CheckToken(CheckToken),
    /// Say what a stopped node keeps in state.dir; of a running one, which process it is (exit
    /// status 1)
    State(State),
}

#[derive(Args)]
struct State {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// Exit status 1 also where something is damaged
    #[arg(long)]
    verify: bool,
    /// Put the files of revocations aside, so that a node starts where they are damaged: whoever
    /// was taken back may be good again
    #[arg(long = "drop", value_name = "WHAT", value_parser = ["revocations"])]
    dropped: Option<String>,
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
struct Config {
    /// Only what most installations set, with fresh keys: a file to start from
    #[arg(long)]
    short: bool,
    /// The settings of the demonstration, which runs where no file is given
    #[arg(long, conflicts_with = "short")]
    demo: bool,
}

#[derive(Args)]
struct Check {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct Token {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// The user; without one the token is for an anonymous client
    #[arg(long, value_name = "U", default_value = "", hide_default_value = true)]
    user: String,
    /// How long the token counts, such as 30m or 7d; "never" for one that does not expire
    #[arg(long, value_name = "T", default_value = "1h", value_parser = ttl)]
    ttl: Ttl,
    /// Make a subscription token for this channel
    #[arg(long, value_name = "C", conflicts_with = "channels")]
    channel: Option<String>,
    /// Channels that the connection is subscribed to, by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    channels: Vec<String>,
    /// What others see in presence, as JSON
    #[arg(long, value_name = "JSON")]
    info: Option<String>,
    /// Another claim: name=value, the value JSON or else a text; any number of times
    #[arg(long = "claim", value_name = "K=V")]
    claims: Vec<String>,
    /// Sign with this secret instead of the settings'; other users of the machine can see it
    #[arg(long, value_name = "S", value_parser = secret)]
    secret: Option<Secret>,
}

#[derive(Args)]
struct CheckToken {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// The token, or - to read it from standard input
    #[arg(value_name = "TOKEN")]
    token: String,
}

/// How long a token counts; `None` is for ever.
#[derive(Clone, Copy)]
struct Ttl(Option<Duration>);

fn ttl(text: &str) -> Result<Ttl, String> {
    if text == "never" {
        return Ok(Ttl(None));
    }
    match humantime::parse_duration(text) {
        Ok(ttl) if ttl.as_secs() > 0 => Ok(Ttl(Some(ttl))),
        Ok(_) => Err("expected at least a second".to_string()),
        Err(error) => Err(format!(
            "{error}; expected a time such as \"1h\", or \"never\""
        )),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

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
pub enum Command {
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
pub fn parse() -> Command {
    let mut words: Vec<_> = std::env::args_os().collect();
    if let [_, first, rest @ ..] = words.as_slice()
        && first == "help"
        && rest.iter().all(|word| word == "--help" || word == "-h")
    {
        words.truncate(2);
    }
    match Line::try_parse_from(words) {
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

impl From<Line> for Command {
    fn from(line: Line) -> Self {
        let serve = |serve: Serve| {
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
                Config { short: true, .. } => ConfigForm::Short,
                Config { demo: true, .. } => ConfigForm::Demonstration,
                Config { .. } => ConfigForm::Defaults,
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
        for (flags, form) in [
            (&["fanfare", "config"][..], ConfigForm::Defaults),
            (&["fanfare", "config", "--short"], ConfigForm::Short),
            (&["fanfare", "config", "--demo"], ConfigForm::Demonstration),
        ] {
            assert_eq!(command(flags), Command::Config(form));
        }
    }

    #[test]
    fn a_token_is_made_as_told() {
        let line = "fanfare token --config f.toml --user 42 --ttl 90m --channels a,b \
                    --claim x=1 --claim y=z=z --secret s";
        let line: Vec<&str> = line.split(' ').collect();
        let Command::Token(overrides, make) = command(&line) else {
            panic!("another command");
        };
        assert_eq!(overrides.config, Some("f.toml".into()));
        let expected = TokenSpec {
            user: "42".to_string(),
            ttl: Some(Duration::from_secs(90 * 60)),
            channels: vec!["a".to_string(), "b".to_string()],
            claims: vec!["x=1".to_string(), "y=z=z".to_string()],
            secret: Some(Secret::new("s")),
            ..TokenSpec::default()
        };
        assert_eq!(*make, expected);
        let Command::Token(_, make) = command(&["fanfare", "token", "--ttl", "never"]) else {
            panic!("another command");
        };
        assert_eq!(make.ttl, None);
        for wrong in [
            &["fanfare", "token", "--ttl", "soon"][..],
            &["fanfare", "token", "--ttl", "0s"],
            &["fanfare", "token", "--channel", "a", "--channels", "b"],
            &["fanfare", "check-token"],
        ] {
            assert!(Line::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
        let check = command(&["fanfare", "check-token", "--config", "f.toml", "-"]);
        let overrides = Overrides {
            config: Some("f.toml".into()),
            ..Overrides::default()
        };
        assert_eq!(check, Command::CheckToken(overrides, "-".to_string()));
    }

    #[test]
    fn the_state_is_shown_verified_or_its_revocations_dropped() {
        let file = Overrides {
            config: Some("f.toml".into()),
            ..Overrides::default()
        };
        for (more, order) in [
            (&[][..], StateOrder::Show),
            (&["--verify"], StateOrder::Verify),
            (&["--drop", "revocations"], StateOrder::DropRevocations),
        ] {
            let line = [&["fanfare", "state", "--config", "f.toml"], more].concat();
            assert_eq!(command(&line), Command::State(file.clone(), order));
        }
        let wrong = ["fanfare", "state", "--drop", "streams"];
        assert!(Line::try_parse_from(wrong).is_err());
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Line::command().debug_assert();
    }
}
