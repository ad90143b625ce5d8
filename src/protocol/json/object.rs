//! How fields of commands stand in JSON where serde's own reading is too lenient: objects that are
//! objects, payloads as their text.
//!
//! Pure; used by the shapes in `command` and by `decode`. It knows no message.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

use super::super::payload::{Data, clean_value};

/// Reads a `data` field: the text as it came, without raw newlines. A `null` is a value like others
/// here, since SDKs pass on what an application gives them.
pub(in super::super) fn data<'de, D: Deserializer<'de>>(from: D) -> Result<Data, D::Error> {
    let value = <&RawValue>::deserialize(from)?;
    clean_value(value).ok_or_else(|| D::Error::custom("nested too deeply"))
}

/// Reads a field of any other kind; `null` is as absent.
pub(in super::super) fn nullable<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Reads an optional object: what is there and not `null` is an object.
pub(in super::super) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(from)?.map(|Object(value)| value))
}

/// Reads a map of objects; a `null` is one without any field.
pub(in super::super) fn objects<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let map = Option::<BTreeMap<String, Option<Object<T>>>>::deserialize(from)?;
    let pairs = map.unwrap_or_default().into_iter();
    let value = |object: Option<Object<T>>| object.map(|Object(value)| value).unwrap_or_default();
    Ok(pairs.map(|(key, object)| (key, value(object))).collect())
}

/// Reads a map of texts; an entry that is `null` is none.
pub(in super::super) fn texts<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let map = Option::<BTreeMap<String, Option<String>>>::deserialize(from)?;
    let pairs = map.unwrap_or_default().into_iter();
    Ok(pairs.filter_map(|(key, text)| Some((key, text?))).collect())
}

/// Whether there is anything but `null`.
pub(in super::super) fn is_present<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(from)?.is_some())
}

/// Declares structs that stand as objects. Each field names how it is read, so that none is added
/// to which `null` is a fault: other languages write it for what is absent.
macro_rules! json_objects {
    ($($(#[$doc:meta])* $vis:vis $name:ident {
        $($(#[$field_doc:meta])* $field_vis:vis $field:ident: $kind:ty as $reader:literal,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default)]
        $vis struct $name {
            $($(#[$field_doc])* #[serde(deserialize_with = $reader)] $field_vis $field: $kind,)*
        }
    )*};
}
pub(in super::super) use json_objects;

/// A struct that stands as an object: derived ones would take an array of their fields too.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = T;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        from.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}
