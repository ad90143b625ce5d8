//! Loading the settings: the file, the environment over it, flags over those, then the checks.
//! Every error is collected, with its place and what is expected there.

use std::path::PathBuf;

use super::{
    check,
    demonstration::demonstration,
    errors::{Errors, LoadError, SettingOrigin, Warning},
    file::read_file,
    raw_settings::RawSettings,
    sections::Setting,
    setting_type::SettingInput,
    settings::Settings,
    suggestion::suggestion,
};

/// What the command line says about settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The file, of `--config F`; absent: that of FANFARE_CONFIG, or none.
    pub(crate) config: Option<PathBuf>,
    /// The addresses, of `--listen A`; none: those of the settings.
    pub(crate) listen: Vec<String>,
    /// How many worker threads, of `--workers N`; absent: as the settings say.
    pub(crate) workers: Option<String>,
}

impl Settings {
    /// Loads the settings from the file, the environment and the flags; without a file the
    /// demonstration's take its place.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of lines where it was written in the file, and every
    /// warning.
    pub fn load(
        overrides: &Overrides,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<(Self, Vec<Warning>), LoadError> {
        let variables: Vec<(String, String)> = environment
            .filter(|(name, _)| name.starts_with("FANFARE_"))
            .collect();
        let in_environment = variables
            .iter()
            .find(|(name, value)| name == "FANFARE_CONFIG" && !value.is_empty())
            .map(|(_, value)| PathBuf::from(value));
        let file = overrides.config.clone().or(in_environment);
        let mut errors = Errors::default();
        let mut warnings = Vec::new();
        let read = match &file {
            Some(path) => read_file(path, &mut errors),
            None => Some(demonstration()),
        };
        // Of a file that cannot be read nothing else is known.
        let is_read = read.is_some();
        let mut raw = read.unwrap_or_default();
        read_environment(&mut raw, &variables, &mut errors, &mut warnings);
        read_flags(&mut raw, overrides, &mut errors);
        let unreadable: Vec<String> = raw.unreadable.iter().cloned().collect();
        let origins = raw.origins.clone();
        let mut odd = Vec::new();
        let settings = check::check(raw, file, &mut errors, &mut odd);
        if is_read {
            warnings.extend(odd.into_iter().map(|warning| warning.placed(&origins)));
        }
        // A value that could not be read left its default, of which nothing is to be said.
        warnings.retain(|warning| !unreadable.iter().any(|path| warning.0.contains(path)));
        if errors.0.is_empty() {
            Ok((settings, warnings))
        } else {
            // The sort is stable: what has no line keeps its order, at the end.
            errors.0.sort_by_key(|line| line_number(line));
            errors.0.dedup();
            Err(LoadError { errors, warnings })
        }
    }

    /// The settings of the built-in demonstration.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn demonstration() -> Self {
        let raw = demonstration();
        check::check(raw, None, &mut Errors::default(), &mut Vec::new())
    }
}

/// The line that an error names; the largest number if none.
fn line_number(message: &str) -> usize {
    message
        .split(": ")
        .next()
        .and_then(|place| place.rsplit_once(':'))
        .and_then(|(_, line)| line.parse().ok())
        .unwrap_or(usize::MAX)
}

/// Reads the flags that are given over what is there.
fn read_flags(raw: &mut RawSettings, overrides: &Overrides, errors: &mut Errors) {
    let listen = (!overrides.listen.is_empty()).then(|| overrides.listen.join(","));
    let flags = [
        ("--listen", "listen", listen.as_deref()),
        ("--workers", "workers", overrides.workers.as_deref()),
    ];
    for (flag, name, value) in flags {
        let Some(value) = value else { continue };
        let origin = SettingOrigin::Flag(flag);
        if let Some(Err(what)) = raw.read("", name, SettingInput::Text(value)) {
            errors.add(&origin, name, what);
            raw.unreadable.insert(name.to_string());
        }
        raw.origins.insert(name.to_string(), origin);
    }
}

/// Reads the variables over what is there; an unknown one only warns, since the platform may have
/// set it.
fn read_environment(
    raw: &mut RawSettings,
    variables: &[(String, String)],
    errors: &mut Errors,
    warnings: &mut Vec<Warning>,
) {
    let settings = raw.settings();
    for (variable, value) in variables
        .iter()
        .filter(|(name, _)| name != "FANFARE_CONFIG")
    {
        let Some(setting) = settings
            .iter()
            .find(|setting| setting.variable() == *variable)
        else {
            let names: Vec<String> = settings.iter().map(Setting::variable).collect();
            let hint = suggestion(variable, names.iter().map(String::as_str));
            warnings.push(Warning::of(format!(
                "{variable}: no setting has this variable, it is ignored{hint}"
            )));
            continue;
        };
        let origin = SettingOrigin::Environment(variable.clone());
        let is_quoted = is_quoted(value);
        if let Some(Err(what)) = raw.read(setting.section, setting.name, SettingInput::Text(value))
        {
            let hint = if is_quoted { QUOTED } else { "" };
            errors.add(&origin, &setting.path, format!("{what}{hint}"));
            raw.unreadable.insert(setting.path.clone());
        } else if is_quoted {
            warnings.push(Warning::of(format!("{variable}: taken as it is{QUOTED}")));
        }
        raw.origins.insert(setting.path.clone(), origin);
    }
}

/// Said of a variable whose value stands in quotes.
const QUOTED: &str = "; the value begins and ends with quotes, which belong to it: files for \
                      docker's --env-file and systemd's EnvironmentFile differ in who removes them";

/// Whether a value stands in quotes of either kind.
fn is_quoted(value: &str) -> bool {
    ['"', '\''].iter().any(|quote| {
        let inner = value.strip_prefix(*quote);
        inner.is_some_and(|inner| inner.ends_with(*quote))
    })
}
