//! How fields of commands stand in JSON where serde's own reading is too lenient: objects that are
//! objects, payloads as their text.
//!
//! Pure; used by the shapes in `command` and by `decode`. It knows no message.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

use super::super::payload::{Data, clean_value};

/// Reads a `data` field: the text as it came, without raw newlines. A `null` is a value like others
/// here, since SDKs pass on what an application gives them.
pub(in super::super) fn data<'de, D: Deserializer<'de>>(from: D) -> Result<Data, D::Error> {
    let value = <&RawValue>::deserialize(from)?;
    clean_value(value).ok_or_else(|| D::Error::custom("nested too deeply"))
}

/// Reads an optional object: if it is there, it is an object, and never `null`.
pub(in super::super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Object::deserialize(from).map(|Object(value)| Some(value))
}

/// Reads a map of objects.
pub(in super::super) fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    let map = BTreeMap::<String, Object<T>>::deserialize(from)?;
    Ok(map.into_iter().map(|(key, value)| (key, value.0)).collect())
}

/// A struct that stands as an object: derived ones would take an array of their fields too.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        from.deserialize_map(Fields(PhantomData)).map(Self)
    }
}
