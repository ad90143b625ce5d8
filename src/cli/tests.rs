//! What lines of flags come to.

use std::time::Duration;

use super::*;
use crate::config::Secret;

fn command(line: &[&str]) -> CliCommand {
    CommandLine::try_parse_from(line)
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
    assert_eq!(command(&long), CliCommand::Serve(overrides.clone()));
    assert_eq!(command(&short), CliCommand::Serve(overrides));
    assert_eq!(
        command(&["fanfare"]),
        CliCommand::Serve(Overrides::default())
    );
    for (flags, form) in [
        (&["fanfare", "config"][..], ConfigForm::Defaults),
        (&["fanfare", "config", "--short"], ConfigForm::Short),
        (&["fanfare", "config", "--demo"], ConfigForm::Demonstration),
    ] {
        assert_eq!(command(flags), CliCommand::Config(form));
    }
}

#[test]
fn a_token_is_made_as_told() {
    let line = "fanfare token --config f.toml --user 42 --ttl 90m --channels a,b \
                --claim x=1 --claim y=z=z --secret s";
    let line: Vec<&str> = line.split(' ').collect();
    let CliCommand::Token(overrides, make) = command(&line) else {
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
    let CliCommand::Token(_, make) = command(&["fanfare", "token", "--ttl", "never"]) else {
        panic!("another command");
    };
    assert_eq!(make.ttl, None);
    for wrong in [
        &["fanfare", "token", "--ttl", "soon"][..],
        &["fanfare", "token", "--ttl", "0s"],
        &["fanfare", "token", "--channel", "a", "--channels", "b"],
        &["fanfare", "check-token"],
    ] {
        assert!(CommandLine::try_parse_from(wrong).is_err(), "{wrong:?}");
    }
    let check = command(&["fanfare", "check-token", "--config", "f.toml", "-"]);
    let overrides = Overrides {
        config: Some("f.toml".into()),
        ..Overrides::default()
    };
    assert_eq!(check, CliCommand::CheckToken(overrides, "-".to_string()));
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
        assert_eq!(command(&line), CliCommand::State(file.clone(), order));
    }
    let wrong = ["fanfare", "state", "--drop", "streams"];
    assert!(CommandLine::try_parse_from(wrong).is_err());
}

#[test]
fn the_command_line_is_sound() {
    use clap::CommandFactory;
    CommandLine::command().debug_assert();
}
