//! How a group of settings is declared: once, as a struct whose fields name their form, default and sentence.
//! From that come the struct itself, its defaults, and the entries that reading, checking, printing and documenting use.
//! A name of its own in parentheses, such as `("allow.publish")`, stands for a setting of a table within the group's.

use super::form::Input;

/// One setting of a group `G`.
pub(super) struct Entry<G> {
    /// Its name within the group.
    pub(super) name: &'static str,
    /// Its sentences, a line each.
    pub(super) doc: &'static [&'static str],
    /// What would be right.
    pub(super) says: &'static str,
    /// Its value as TOML; `None` where it has none.
    pub(super) show: fn(&G) -> Option<String>,
    /// Reads a value into the group.
    pub(super) read: fn(&mut G, Input<'_>) -> Result<(), String>,
}

/// A declared group.
pub(super) trait Group: Sized + Default + 'static {
    /// Its settings, in the order of the declaration.
    const ENTRIES: &'static [Entry<Self>];
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

/// Declares groups: `name: type as Form = default;` with a doc comment each.
macro_rules! groups {
    ($(
        $(#[doc = $about:literal])*
        $group:ident {
            $(
                $(#[doc = $doc:literal])*
                $name:ident $(($dotted:literal))?: $type:ty as $form:ty = $default:expr;
            )*
        }
    )*) => {$(
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $group {
            $(
                $(#[doc = $doc])*
                pub $name: $type,
            )*
        }

        impl Default for $group {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $crate::config::table::Group for $group {
            const ENTRIES: &'static [$crate::config::table::Entry<Self>] = &[$(
                $crate::config::table::Entry {
                    name: $crate::config::table::setting_name!($name $($dotted)?),
                    doc: &[$($doc),*],
                    says: <$form as $crate::config::form::Form>::SAYS,
                    show: |group| <$form as $crate::config::form::Form>::show(&group.$name),
                    read: |group, input| {
                        group.$name = <$form as $crate::config::form::Form>::read(input)?;
                        Ok(())
                    },
                },
            )*];
        }
    )*};
}

pub(super) use {groups, setting_name};
