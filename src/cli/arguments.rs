//! The command line as clap reads it: commands and their flags. The comments on them are what
//! `--help` prints.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::config::Secret;

#[derive(Parser)]
#[command(
    name = "fanfare",
    version,
    about = "A push server: WebSocket first, actor-based, one binary",
    after_help = "Without --config and FANFARE_CONFIG a demonstration runs at \
                  http://127.0.0.1:8080/.",
    args_conflicts_with_subcommands = true
)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Option<Sub>,
    #[command(flatten)]
    pub(super) serve: ServeArgs,
}

#[derive(Subcommand)]
pub(super) enum Sub {
    /// Serve; the word may be left out
    Serve(ServeArgs),
    /// Print every setting with its default and a sentence, as a file
    Config(ConfigArgs),
    /// Check a file of settings and say everything that is wrong with it
    Check(CheckArgs),
    /// Make a token for a client, signed with the first token.hmac_secret (HS256)
    Token(TokenArgs),
    /// Explain a token: what it says, which key made it, and whether it counts (exit status 0) or
    /// not (1)
    CheckToken(CheckTokenArgs),
    /// Say what a stopped node keeps in state.dir; of a running one, which process it is (exit
    /// status 1)
    State(StateArgs),
}

#[derive(Args)]
pub(super) struct StateArgs {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    pub(super) config: Option<PathBuf>,
    /// Exit status 1 also where something is damaged
    #[arg(long)]
    pub(super) verify: bool,
    /// Put the files of revocations aside, so that a node starts where they are damaged: whoever
    /// was taken back may be good again
    #[arg(long = "drop", value_name = "WHAT", value_parser = ["revocations"])]
    pub(super) dropped: Option<String>,
}

#[derive(Args)]
pub(super) struct ServeArgs {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    pub(super) config: Option<PathBuf>,
    /// Where to listen: host:port, tls:host:port or unix:/path; any number of times
    #[arg(long, value_name = "A")]
    pub(super) listen: Vec<String>,
    /// Worker threads
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<String>,
}

#[derive(Args)]
pub(super) struct ConfigArgs {
    /// Only what most installations set, with fresh keys: a file to start from
    #[arg(long)]
    pub(super) short: bool,
    /// The settings of the demonstration, which runs where no file is given
    #[arg(long, conflicts_with = "short")]
    pub(super) demo: bool,
}

#[derive(Args)]
pub(super) struct CheckArgs {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct TokenArgs {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    pub(super) config: Option<PathBuf>,
    /// The user; without one the token is for an anonymous client
    #[arg(long, value_name = "U", default_value = "", hide_default_value = true)]
    pub(super) user: String,
    /// How long the token counts, such as 30m or 7d; "never" for one that does not expire
    #[arg(long, value_name = "T", default_value = "1h", value_parser = ttl)]
    pub(super) ttl: Ttl,
    /// Make a subscription token for this channel
    #[arg(long, value_name = "C", conflicts_with = "channels")]
    pub(super) channel: Option<String>,
    /// Channels that the connection is subscribed to, by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(super) channels: Vec<String>,
    /// What others see in presence, as JSON
    #[arg(long, value_name = "JSON")]
    pub(super) info: Option<String>,
    /// Another claim: name=value, the value JSON or else a text; any number of times
    #[arg(long = "claim", value_name = "K=V")]
    pub(super) claims: Vec<String>,
    /// Sign with this secret instead of the settings'; other users of the machine can see it
    #[arg(long, value_name = "S", value_parser = secret)]
    pub(super) secret: Option<Secret>,
}

#[derive(Args)]
pub(super) struct CheckTokenArgs {
    /// File of settings (TOML)
    #[arg(long, value_name = "F")]
    pub(super) config: Option<PathBuf>,
    /// The token, or - to read it from standard input
    #[arg(value_name = "TOKEN")]
    pub(super) token: String,
}

/// How long a token counts; `None` is for ever.
#[derive(Clone, Copy)]
pub(super) struct Ttl(pub(super) Option<Duration>);

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
