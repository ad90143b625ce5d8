//! How a section of the settings file is declared: once, by [`sections!`], as a struct whose fields
//! name their type, default and sentence. From that come the struct, its defaults, and the
//! [`SettingField`]s that reading, checking, printing and documenting go by.

use crate::config::setting_type::SettingInput;

/// What is declared of one setting of the section `S`.
pub(in crate::config) struct SettingField<S> {
    /// Name within the section; has a dot where the setting is in a table within the section's.
    pub(in crate::config) name: &'static str,
    /// What it is for, in a sentence or more.
    pub(in crate::config) sentence: &'static str,
    /// What may be written, as `SettingType::EXPECTED` says it.
    pub(in crate::config) expected: &'static str,
    /// Its value as TOML; `None` where it is absent or secret.
    pub(in crate::config) to_toml: fn(&S) -> Option<String>,
    /// Reads a value into the section.
    pub(in crate::config) read: fn(&mut S, SettingInput<'_>) -> Result<(), String>,
    /// Whether two sections have the same value; the only way to compare secret ones.
    pub(in crate::config) is_same: fn(&S, &S) -> bool,
}

/// One setting with its value, whatever its section.
pub(in crate::config) struct Setting {
    /// Section and name: `limits.sessions`; the name alone at the top of the file.
    pub(in crate::config) path: String,
    /// Name of its section; empty at the top of the file.
    pub(in crate::config) section: &'static str,
    /// Name within its section, as [`SettingField::name`] has it.
    pub(in crate::config) name: &'static str,
    /// What it is for, as [`SettingField::sentence`] says it.
    pub(in crate::config) sentence: &'static str,
    /// What may be written, as [`SettingField::expected`] says it.
    pub(in crate::config) expected: &'static str,
    /// Its value as TOML; `None` where it is absent or secret.
    pub(in crate::config) value: Option<String>,
}

impl Setting {
    /// The environment variable that sets it.
    pub(in crate::config) fn variable(&self) -> String {
        format!("FANFARE_{}", self.path.replace('.', "_").to_uppercase())
    }
}

/// A declared section.
pub(in crate::config) trait Section: Sized + Default + 'static {
    /// What it is about, in a sentence or more.
    const ABOUT: &'static str;
    /// Its settings, in the order of the declaration.
    const FIELDS: &'static [SettingField<Self>];

    /// Its settings with their values; `section` is its name in the file.
    fn settings(&self, section: &'static str) -> Vec<Setting> {
        let setting = |field: &SettingField<Self>| Setting {
            path: match section {
                "" => field.name.to_string(),
                section => format!("{section}.{}", field.name),
            },
            section,
            name: field.name,
            sentence: field.sentence,
            expected: field.expected,
            value: (field.to_toml)(self),
        };
        Self::FIELDS.iter().map(setting).collect()
    }

    /// Names of the settings that have another value in `other`.
    fn changes(&self, other: &Self) -> Vec<&'static str> {
        let changed = |field: &&SettingField<Self>| !(field.is_same)(self, other);
        let changes = Self::FIELDS.iter().filter(changed);
        changes.map(|field| field.name).collect()
    }

    /// Reads one setting; `None` if it has none of this name.
    fn read(&mut self, name: &str, input: SettingInput<'_>) -> Option<Result<(), String>> {
        let field = Self::FIELDS.iter().find(|field| field.name == name)?;
        Some((field.read)(self, input))
    }
}

/// The name of a setting: its field's, unless one is given.
macro_rules! setting_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

/// Declares sections, each with a doc comment that says what it is about, and settings in it:
/// `name: type as SettingType = default;` with a doc comment that is its sentence. A setting of a
/// table within the section's has its name in parentheses: `allow_publish ("allow.publish"): …`.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])*
        $section:ident {
            $(
                $(#[doc = $sentence:literal])*
                $name:ident $(($dotted:literal))?: $type:ty as $kind:ty = $default:expr;
            )*
        }
    )*) => {$(
        $(#[doc = $about])*
        #[allow(
            rustdoc::broken_intra_doc_links,
            reason = "the sentences are for readers of the settings: [channels] is TOML, no link"
        )]
        #[derive(Clone, Debug, PartialEq)]
        pub struct $section {
            $(
                $(#[doc = $sentence])*
                pub $name: $type,
            )*
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        const _: () = {
            use $crate::config::{
                sections::declaration::{SettingField, Section, setting_name},
                setting_type::SettingType,
            };

            // A line of a doc comment begins with a space, so that lines join as words do.
            impl Section for $section {
                const ABOUT: &'static str = concat!($($about),*).trim_ascii();
                const FIELDS: &'static [SettingField<Self>] = &[$(
                    SettingField {
                        name: setting_name!($name $($dotted)?),
                        sentence: concat!($($sentence),*).trim_ascii(),
                        expected: <$kind as SettingType>::EXPECTED,
                        to_toml: |section| <$kind as SettingType>::to_toml(&section.$name),
                        read: |section, input| {
                            section.$name = <$kind as SettingType>::read(input)?;
                            Ok(())
                        },
                        is_same: |section, other| section.$name == other.$name,
                    },
                )*];
            }
        };
    )*};
}

pub(super) use {sections, setting_name};
