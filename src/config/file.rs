//! Reads the settings file into [`RawSettings`], with the line of every value. A value that cannot
//! be read is an error and leaves its default; reading goes on.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{
    errors::{Errors, SettingOrigin},
    raw_settings::{ARRAYS, RawSettings},
    sections::Section,
    setting_type::SettingInput,
    suggestion::unknown,
    toml_fault::TomlFault,
};

/// Reads the file; what cannot be read is among the errors afterwards. Absent: there is no file to
/// read, or it is no TOML, so that nothing is known of it.
pub(super) fn read_file(path: &Path, errors: &mut Errors) -> Option<RawSettings> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            errors
                .0
                .push(format!("{}: cannot be read: {error}", path.display()));
            return None;
        }
    };
    let mut reader = FileReader {
        path,
        text: &text,
        raw: RawSettings::default(),
        errors,
    };
    match DeTable::parse(&text) {
        Ok(table) => reader.root(table.get_ref()),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().replace('\n', " ");
            let fault = TomlFault::at(&text, at, &message);
            let (path, line) = (path.display(), reader.line(at));
            reader.errors.0.push(format!("{path}:{line}: {fault}"));
            return None;
        }
    }
    Some(reader.raw)
}

/// A file that is being read. Places in it are offsets in bytes into `text`.
struct FileReader<'a> {
    path: &'a Path,
    text: &'a str,
    raw: RawSettings,
    errors: &'a mut Errors,
}

impl FileReader<'_> {
    /// The line of a place, counted from 1.
    fn line(&self, at: usize) -> usize {
        let end = at.min(self.text.len());
        self.text.as_bytes()[..end]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1
    }

    fn origin(&self, at: usize) -> SettingOrigin {
        SettingOrigin::File(self.path.to_owned(), self.line(at))
    }

    /// The top of the file: settings without a section, sections, arrays of tables.
    fn root(&mut self, table: &DeTable<'_>) {
        let sections = RawSettings::sections();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let at = key.span().start;
            match (name, value.get_ref()) {
                ("raw", value) => {
                    // An empty list says that none is wanted.
                    let origin = self.origin(at);
                    self.raw.origins.insert("raw".to_string(), origin);
                    self.raw.raw = self.elements("raw", at, value);
                }
                ("push", value) => self.raw.push = self.elements("push", at, value),
                ("namespace", value) => {
                    self.raw.namespace = self.elements("namespace", at, value);
                }
                ("poll", value) => self.raw.poll = self.elements("poll", at, value),
                (_, DeValue::Table(inner)) if sections.iter().any(|(table, _)| *table == name) => {
                    // An empty [channels] counts as written.
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

    /// The settings of a section that the file has once.
    fn table(&mut self, table: &str, inner: &DeTable<'_>) {
        let names = self.raw.names_in(table);
        for (name, at, value) in flatten(&names, "", inner) {
            self.setting(table, &name, at, value);
        }
    }

    /// One setting; `table` is the name of its section, empty at the top of the file.
    fn setting(&mut self, table: &str, name: &str, at: usize, value: &DeValue<'_>) {
        let path = match table {
            "" => name.to_string(),
            table => format!("{table}.{name}"),
        };
        let origin = self.origin(at);
        match self.raw.read(table, name, SettingInput::Toml(value)) {
            Some(Ok(())) => {}
            Some(Err(what)) => {
                self.errors.add(&origin, &path, what);
                self.raw.unreadable.insert(path.clone());
            }
            None => {
                let mut names = self.raw.names_in(table);
                if table.is_empty() {
                    names.extend(RawSettings::sections().iter().map(|(name, _)| *name));
                    names.extend(ARRAYS);
                }
                self.errors.add(&origin, &path, unknown(name, &names));
            }
        }
        self.raw.origins.insert(path, origin);
    }

    /// The elements of an array of tables; those that are no tables are errors and left out.
    fn elements<S: Section>(
        &mut self,
        table: &'static str,
        at: usize,
        value: &DeValue<'_>,
    ) -> Vec<S> {
        let mut elements = Vec::new();
        let DeValue::Array(array) = value else {
            let route = match (table, value) {
                ("poll", DeValue::Table(inner))
                    if inner.iter().any(|(key, _)| key.get_ref() == "enabled") =>
                {
                    "; the route /poll is longpoll.enabled"
                }
                _ => "",
            };
            let what =
                format!("expected [[{table}]], with two brackets, as there can be several{route}");
            self.errors.add(&self.origin(at), table, what);
            return elements;
        };
        let names: Vec<&str> = S::FIELDS.iter().map(|field| field.name).collect();
        for value in array.iter() {
            // Its index among those that are kept, since the checks name it by that.
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
            for (name, at, value) in flatten(&names, "", inner) {
                let origin = self.origin(at);
                let path = format!("{table}.{name}");
                match element.read(&name, SettingInput::Toml(value)) {
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

/// The values of a table with their dotted names and places. Tables within it are opened where
/// settings have names in them, so that `allow.publish` may be written with a dot or below a
/// heading of its own.
fn flatten<'a, 'text>(
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
                values.extend(flatten(names, &inner, table));
            }
            value => values.push((name, key.span().start, value)),
        }
    }
    values
}
