//! Putting the settings together: file, then environment over it, then flags over those. Every fault is collected, with
//! its place and what would be right, so that one look mends them all.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    check,
    raw_settings::{self, Origin, RawSettings},
    section::Section,
    setting_type::Input,
    settings::Settings,
};

/// What the command line says about settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config F`.
    pub config: Option<PathBuf>,
    /// `--listen A`, any number of times.
    pub listen: Vec<String>,
    /// `--workers N`.
    pub workers: Option<String>,
}

/// Something that is odd but does not stop the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub String);

/// Everything that is wrong with the settings, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(pub Vec<String>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Errors {}

impl Errors {
    pub(super) fn add(&mut self, origin: &Origin, path: &str, what: impl fmt::Display) {
        self.0.push(format!("{origin}: {path}: {what}"));
    }
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(
        overrides: &Overrides,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<(Self, Vec<Warning>), Errors> {
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
        let mut raw = match &file {
            Some(path) => read_file(path, &mut errors),
            None => super::demonstration(),
        };
        read_environment(&mut raw, &variables, &mut errors, &mut warnings);
        read_flags(&mut raw, overrides, &mut errors);
        let settings = check::check(raw, file, &mut errors, &mut warnings);
        if errors.0.is_empty() {
            Ok((settings, warnings))
        } else {
            // The order of lines, where they have one; the sort is stable.
            errors.0.sort_by_key(|line| line_number(line));
            errors.0.dedup();
            Err(errors)
        }
    }

    /// The settings of the built-in demonstration, which also runs without a file.
    #[must_use]
    pub fn demonstration() -> Self {
        let raw = super::demonstration();
        check::check(raw, None, &mut Errors::default(), &mut Vec::new())
    }
}

fn line_number(message: &str) -> usize {
    message
        .split(": ")
        .next()
        .and_then(|place| place.rsplit_once(':'))
        .and_then(|(_, line)| line.parse().ok())
        .unwrap_or(usize::MAX)
}

fn read_flags(raw: &mut RawSettings, overrides: &Overrides, errors: &mut Errors) {
    let listen = (!overrides.listen.is_empty()).then(|| overrides.listen.join(","));
    let flags = [
        ("--listen", "listen", listen.as_deref()),
        ("--workers", "workers", overrides.workers.as_deref()),
    ];
    for (flag, name, value) in flags {
        let Some(value) = value else { continue };
        let origin = Origin::Flag(flag);
        if let Some(Err(what)) = raw.read("", name, Input::Text(value)) {
            errors.add(&origin, name, what);
            raw.unreadable.insert(name.to_string());
        }
        raw.origins.insert(name.to_string(), origin);
    }
}

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
            let names: Vec<String> = settings
                .iter()
                .map(raw_settings::Setting::variable)
                .collect();
            let hint = suggestion(variable, names.iter().map(String::as_str));
            warnings.push(Warning(format!(
                "{variable}: no setting has this variable, it is ignored{hint}"
            )));
            continue;
        };
        let origin = Origin::Environment(variable.clone());
        if let Some(Err(what)) = raw.read(setting.section, setting.name, Input::Text(value)) {
            errors.add(&origin, &setting.path, what);
            raw.unreadable.insert(setting.path.clone());
        }
        raw.origins.insert(setting.path.clone(), origin);
    }
}

/// A file in the making: where it is, and how far each line reaches.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    raw: RawSettings,
    errors: &'a mut Errors,
}

fn read_file(path: &Path, errors: &mut Errors) -> RawSettings {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            errors
                .0
                .push(format!("{}: cannot be read: {error}", path.display()));
            return RawSettings::default();
        }
    };
    let mut reader = Reader {
        path,
        text: &text,
        raw: RawSettings::default(),
        errors,
    };
    match DeTable::parse(&text) {
        Ok(table) => reader.root(table.get_ref()),
        Err(error) => {
            let line = reader.line(error.span().map_or(0, |span| span.start));
            let message = error.message().replace('\n', " ");
            reader
                .errors
                .0
                .push(format!("{}:{line}: not TOML: {message}", path.display()));
        }
    }
    reader.raw
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        let end = at.min(self.text.len());
        self.text.as_bytes()[..end]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1
    }

    fn origin(&self, at: usize) -> Origin {
        Origin::File(self.path.to_owned(), self.line(at))
    }

    fn root(&mut self, table: &DeTable<'_>) {
        let sections = RawSettings::sections();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let at = key.span().start;
            match (name, value.get_ref()) {
                ("raw", value) => self.raw.raw = self.elements("raw", at, value),
                ("push", value) => self.raw.push = self.elements("push", at, value),
                ("namespace", value) => {
                    self.raw.namespace = self.elements("namespace", at, value);
                }
                ("poll", value) => self.raw.poll = self.elements("poll", at, value),
                (_, DeValue::Table(inner)) if sections.iter().any(|(table, _)| *table == name) => {
                    // That it is there counts, even when it is empty.
                    let origin = self.origin(at);
                    self.raw.origins.insert(name.to_string(), origin);
                    self.table(name, inner);
                }
                (_, value) if sections.iter().any(|(table, _)| *table == name) => {
                    let what = format!(
                        "expected a table, such as [{name}], not {}",
                        value.type_str()
                    );
                    self.errors.add(&self.origin(at), name, what);
                }
                _ => self.setting("", name, at, value.get_ref()),
            }
        }
    }

    fn table(&mut self, table: &str, inner: &DeTable<'_>) {
        let settings = self.raw.settings();
        let here = settings
            .iter()
            .filter(|s| s.section == table)
            .map(|s| s.name);
        let names: Vec<&str> = here.collect();
        for (name, at, value) in flat(&names, "", inner) {
            self.setting(table, &name, at, value);
        }
    }

    fn setting(&mut self, table: &str, name: &str, at: usize, value: &DeValue<'_>) {
        let path = match table {
            "" => name.to_string(),
            table => format!("{table}.{name}"),
        };
        let origin = self.origin(at);
        match self.raw.read(table, name, Input::Toml(value)) {
            Some(Ok(())) => {}
            Some(Err(what)) => {
                self.errors.add(&origin, &path, what);
                self.raw.unreadable.insert(path.clone());
            }
            None => {
                let settings = self.raw.settings();
                let here = settings
                    .iter()
                    .filter(|s| s.section == table)
                    .map(|s| s.name);
                let mut names: Vec<&str> = here.collect();
                if table.is_empty() {
                    names.extend(RawSettings::sections().iter().map(|(name, _)| *name));
                    names.extend(["raw", "push", "namespace", "poll"]);
                }
                self.errors.add(&origin, &path, unknown(name, &names));
            }
        }
        self.raw.origins.insert(path, origin);
    }

    fn elements<S: Section>(
        &mut self,
        table: &'static str,
        at: usize,
        value: &DeValue<'_>,
    ) -> Vec<S> {
        let mut elements = Vec::new();
        let DeValue::Array(array) = value else {
            let what = format!("expected [[{table}]], with two brackets, as there can be several");
            self.errors.add(&self.origin(at), table, what);
            return elements;
        };
        let names: Vec<&str> = S::FIELDS.iter().map(|field| field.name).collect();
        for value in array.iter() {
            // The element's place among those kept, by which the checks name it.
            let index = elements.len();
            let origin = self.origin(value.span().start);
            self.raw
                .origins
                .insert(format!("{table}.{index}"), origin.clone());
            let DeValue::Table(inner) = value.get_ref() else {
                let what = format!("expected [[{table}]] with settings below it");
                self.errors.add(&origin, table, what);
                continue;
            };
            let mut element = S::default();
            for (name, at, value) in flat(&names, "", inner) {
                let origin = self.origin(at);
                let path = format!("{table}.{name}");
                match raw_settings::read_element(&mut element, &name, Input::Toml(value)) {
                    Some(Ok(())) => {}
                    Some(Err(what)) => {
                        self.errors.add(&origin, &path, what);
                        self.raw
                            .unreadable
                            .insert(format!("{table}.{index}.{name}"));
                    }
                    None => self.errors.add(&origin, &path, unknown(&name, &names)),
                }
                self.raw
                    .origins
                    .insert(format!("{table}.{index}.{name}"), origin);
            }
            elements.push(element);
        }
        elements
    }
}

/// The values of a table with their dotted names and places: tables within it are opened as far as settings have names in
/// them, so that `allow.publish` may be written with a dot or below a heading of its own.
fn flat<'a, 'text>(
    names: &[&str],
    prefix: &str,
    table: &'a DeTable<'text>,
) -> Vec<(String, usize, &'a DeValue<'text>)> {
    let mut values = Vec::new();
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        let inner = format!("{name}.");
        match value.get_ref() {
            DeValue::Table(table)
                if !names.contains(&name.as_str())
                    && names.iter().any(|known| known.starts_with(&inner)) =>
            {
                values.extend(flat(names, &inner, table));
            }
            value => values.push((name, key.span().start, value)),
        }
    }
    values
}

/// What to say of a name that no setting has.
fn unknown(name: &str, names: &[&str]) -> String {
    let inner = format!("{name}.");
    match names.iter().find(|known| known.starts_with(&inner)) {
        Some(known) => format!("expected settings below it, such as {known}"),
        None => format!("unknown setting{}", suggestion(name, names.iter().copied())),
    }
}

/// "; did you mean …" for the nearest name, if one is near.
fn suggestion<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = names
        .filter(|known| !known.is_empty())
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, known)) if likeness > 0.85 => format!("; did you mean {known}?"),
        _ => "; `fanfare config` prints all there are".to_string(),
    }
}
