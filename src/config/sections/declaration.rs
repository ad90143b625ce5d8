//! How a section of settings is declared: once, as a struct whose fields name their type, default and sentence.
//! From that come the struct itself, its defaults, and the entries that reading, checking, printing and documenting use.
//! A name of its own in parentheses, such as `("allow.publish")`, stands for a setting of a table within the section.

use crate::config::setting_type::Input;

/// One setting of a section `S`.
pub(in crate::config) struct Field<S> {
    /// Its name within the section.
    pub(in crate::config) name: &'static str,
    /// Its sentences, a line each.
    pub(in crate::config) doc: &'static [&'static str],
    /// What would be right.
    pub(in crate::config) expected: &'static str,
    /// Its value as TOML; `None` where it has none.
    pub(in crate::config) to_toml: fn(&S) -> Option<String>,
    /// Reads a value into the section.
    pub(in crate::config) read: fn(&mut S, Input<'_>) -> Result<(), String>,
}

/// A declared section.
pub(in crate::config) trait Section: Sized + Default + 'static {
    /// Its settings, in the order of the declaration.
    const FIELDS: &'static [Field<Self>];
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

/// Declares sections: `name: type as SettingType = default;` with a doc comment each.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])*
        $section:ident {
            $(
                $(#[doc = $doc:literal])*
                $name:ident $(($dotted:literal))?: $type:ty as $kind:ty = $default:expr;
            )*
        }
    )*) => {$(
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $section {
            $(
                $(#[doc = $doc])*
                pub $name: $type,
            )*
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $crate::config::sections::declaration::Section for $section {
            const FIELDS: &'static [$crate::config::sections::declaration::Field<Self>] = &[$(
                $crate::config::sections::declaration::Field {
                    name: $crate::config::sections::declaration::setting_name!($name $($dotted)?),
                    doc: &[$($doc),*],
                    expected: <$kind as $crate::config::setting_type::SettingType>::EXPECTED,
                    to_toml: |section| <$kind as $crate::config::setting_type::SettingType>::to_toml(&section.$name),
                    read: |section, input| {
                        section.$name = <$kind as $crate::config::setting_type::SettingType>::read(input)?;
                        Ok(())
                    },
                },
            )*];
        }
    )*};
}

pub(super) use {sections, setting_name};
