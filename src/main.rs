//! The binary: reads the command line and the settings, then serves. Exit status: 0 after a drain,
//! 1 when it cannot serve or a second signal ended it or what was to be checked is not right, 2
//! when command line or settings are wrong.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    process::ExitCode,
    time::SystemTime,
};

use fanfare::{
    app::{App, AppError, Inheritance},
    cli::{self, CliCommand, ConfigForm, StateOrder},
    config::{self, LoadError, Overrides, Settings},
    logger::Logger,
    signals::Signals,
    state::{self, StateOptions},
    token::{
        TOKEN_BYTES_MAX,
        command::{TokenSpec, explain, make},
    },
    transport::tls::Certificate,
};

/// Gives memory back after a burst, which the system's does not. It is the binary's choice: the
/// library, its tests and the counts of instructions are with the system's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Settings or command line are wrong.
const WRONG_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    match cli::parse() {
        CliCommand::Serve(overrides) => serve(&overrides),
        CliCommand::Config(form) => {
            let text = match form {
                ConfigForm::Defaults => config::render_defaults(),
                ConfigForm::Short => config::render_short(),
                ConfigForm::Demonstration => config::render_demonstration(),
            };
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        CliCommand::Check(overrides) => check(&overrides),
        CliCommand::Token(overrides, options) => token(&overrides, &options),
        CliCommand::CheckToken(overrides, token) => check_token(&overrides, &token),
        CliCommand::State(overrides, order) => show_state(&overrides, order),
    }
}

/// The environment, as far as it is text; a variable that is not is none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !Inheritance::is_variable(name))
}

/// Writes a line to standard output. A reader that has seen enough, such as `head`, is no fault.
fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes a line to standard error. One that cannot be written changes nothing.
fn complain(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn load(overrides: &Overrides) -> Result<(Settings, Vec<config::Warning>), ExitCode> {
    read_settings(overrides, &Inheritance::default())
}

/// The settings; what is wrong with them is also told to whom this process was to take over from.
fn read_settings(
    overrides: &Overrides,
    inheritance: &Inheritance,
) -> Result<(Settings, Vec<config::Warning>), ExitCode> {
    Settings::load(overrides, environment()).map_err(|errors| {
        inheritance.fail(&errors);
        complain(errors);
        ExitCode::from(WRONG_SETTINGS)
    })
}

fn check(overrides: &Overrides) -> ExitCode {
    match load(overrides) {
        Ok((settings, warnings)) => {
            for warning in &warnings {
                complain(format_args!("warning: {warning}"));
            }
            if let Some(tls) = &settings.tls
                && let Err(error) = Certificate::load(&tls.cert, &tls.key)
            {
                let place = settings.place_of("tls.cert");
                complain(format_args!("{place}: tls.cert, tls.key: {error}"));
                return ExitCode::from(WRONG_SETTINGS);
            }
            match settings.file {
                Some(file) => {
                    let count = match warnings.len() {
                        0 => "the settings are right".to_string(),
                        1 => "no errors, 1 warning".to_string(),
                        count => format!("no errors, {count} warnings"),
                    };
                    say(format_args!("{}: {count}", file.display()));
                }
                None => say(
                    "no file is given (--config F or FANFARE_CONFIG); the demonstration would run",
                ),
            }
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn token(overrides: &Overrides, options: &TokenSpec) -> ExitCode {
    let settings = match load(overrides) {
        Ok((settings, _)) => settings,
        Err(code) => return code,
    };
    match make(&settings.token, options, SystemTime::now()) {
        Ok(token) => {
            say(token);
            ExitCode::SUCCESS
        }
        Err(why) => {
            complain(why);
            ExitCode::from(WRONG_SETTINGS)
        }
    }
}

fn check_token(overrides: &Overrides, token: &str) -> ExitCode {
    let settings = match load(overrides) {
        Ok((settings, _)) => settings,
        Err(code) => return code,
    };
    let mut input = String::new();
    if token == "-" {
        // Twice the longest token, so that a longer one is told as such and never cut to the right
        // length.
        let read = io::stdin()
            .take(2 * TOKEN_BYTES_MAX as u64)
            .read_to_string(&mut input);
        if let Err(error) = read {
            complain(format_args!("standard input: {error}"));
            return ExitCode::from(WRONG_SETTINGS);
        }
    } else {
        input.push_str(token);
    }
    let system = actix_rt::System::new();
    let explained = system.block_on(explain(&settings.token, input.trim(), SystemTime::now()));
    say(explained.text.trim_end());
    if explained.is_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn show_state(overrides: &Overrides, order: StateOrder) -> ExitCode {
    let settings = match load(overrides) {
        Ok((settings, _)) => settings,
        Err(code) => return code,
    };
    let Some(dir) = &settings.state.dir else {
        complain("state.dir is not set: everything is in memory only");
        return ExitCode::FAILURE;
    };
    let options = StateOptions::new(&settings);
    if order == StateOrder::DropRevocations {
        return match state::drop_revocations(dir, options) {
            Ok(count) => {
                say(format_args!(
                    "{count} files of revocations are put aside as *.damaged"
                ));
                ExitCode::SUCCESS
            }
            Err(error) => {
                complain(error);
                ExitCode::FAILURE
            }
        };
    }
    match state::summarize(dir, options) {
        Ok(summary) => {
            say(&summary);
            match summary.is_whole() || order == StateOrder::Show {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

fn serve(overrides: &Overrides) -> ExitCode {
    // Before the log has its thread.
    let mut inheritance = Inheritance::from_environment();
    let (settings, warnings) = match read_settings(overrides, &inheritance) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let logger = match Logger::install(&settings.log) {
        Ok(logger) => logger,
        Err(error) => {
            inheritance.fail(&error);
            complain(format_args!("logging cannot be set up: {error}"));
            return ExitCode::FAILURE;
        }
    };
    for warning in warnings {
        log::warn!("{warning}");
    }
    let result = run(settings, overrides, logger, &mut inheritance);
    if let Err(error) = &result {
        inheritance.fail(error);
        log::error!("{error}");
    }
    log::logger().flush();
    if let Err(error) = &result
        && !log::log_enabled!(log::Level::Error)
    {
        // Whatever the filter says, a process that ends says why.
        complain(error);
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(
    settings: Settings,
    overrides: &Overrides,
    logger: &Logger,
    inheritance: &mut Inheritance,
) -> Result<(), AppError> {
    let demonstration = settings.demonstration;
    match &settings.file {
        Some(file) => log::info!(
            "fanfare {} with {}",
            env!("CARGO_PKG_VERSION"),
            file.display()
        ),
        None => log::info!(
            "fanfare {}: no settings given, so the demonstration runs: /ws relays and \
             gets a push each 10 s, /echo echoes. `fanfare config --short` prints a file to start from",
            env!("CARGO_PKG_VERSION")
        ),
    }
    let in_force = settings.clone();
    let system = actix_rt::System::new();
    system.block_on(async {
        let signals = Signals::listen().map_err(|error| AppError::Io("signals", error))?;
        let app = App::bind(settings, inheritance)?;
        if demonstration && !app.is_local() {
            log::warn!(
                "THE DEMONSTRATION IS REACHABLE FROM beyond this machine: anyone can connect and \
                 speak to everyone. Give settings with --config F, or listen on 127.0.0.1"
            );
        }
        for url in app.urls() {
            log::info!("listening on {url}");
        }
        for url in app.admin_urls() {
            log::info!("listening on {url}, /admin only there");
        }
        let reload = || reload(overrides, &in_force, logger);
        app.run(signals, inheritance, reload).await
    })
}

/// Takes up what is set of the log, and says what else has changed since the start; if the settings
/// are wrong, says so and changes nothing.
fn reload(overrides: &Overrides, in_force: &Settings, logger: &Logger) {
    match Settings::load(overrides, environment()) {
        Ok((settings, warnings)) => {
            logger.set(&settings.log);
            log::info!(
                "the settings of the log are taken up, log.filter is {}",
                settings.log.filter
            );
            for warning in warnings {
                log::warn!("{warning}");
            }
            let changes = in_force.changes(&settings);
            if !changes.is_empty() {
                log::warn!("changed, but not before a restart: {}", changes.join(", "));
            }
        }
        Err(LoadError { errors, warnings }) => {
            log::error!("the settings are wrong, so none is taken up:");
            for line in errors.to_string().lines() {
                log::error!("{line}");
            }
            for warning in warnings {
                log::warn!("{warning}");
            }
        }
    }
}
