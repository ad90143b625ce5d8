//! `/api/openapi.json`: the API described for programs. A file of the binary; tests hold it to the
//! methods and their requests. Public: it tells nothing of this node.

use actix_web::{HttpResponse, http::header};

const DOCUMENT: &str = include_str!("openapi.json");

/// Answers the OpenAPI document.
pub(super) fn document() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type("application/json")
        .body(DOCUMENT)
}

#[cfg(test)]
pub(super) use self::tests::fields_of;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::{
        Deserialize,
        de::{self, Visitor},
        forward_to_deserialize_any,
    };
    use serde_json::Value;

    use super::*;
    use crate::{channel_name, http::api::table};

    /// Deserializes nothing, but learns which fields a struct asks for.
    struct FieldNames<'a>(&'a mut &'static [&'static str]);

    impl<'de> de::Deserializer<'de> for FieldNames<'_> {
        type Error = de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("no struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    /// The fields of a request, as they are read.
    pub(in crate::http::api) fn fields_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str]
    {
        let mut fields: &'static [&'static str] = &[];
        assert!(T::deserialize(FieldNames(&mut fields)).is_err());
        fields
    }

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).expect("JSON")
    }

    /// What a `$ref` stands for.
    fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
        match schema["$ref"]
            .as_str()
            .and_then(|path| path.strip_prefix('#'))
        {
            Some(path) => document.pointer(path).expect("the schema of a $ref"),
            None => schema,
        }
    }

    #[test]
    fn the_document_names_the_methods_that_there_are() {
        let document = document();
        let described: BTreeSet<&str> = document["paths"]
            .as_object()
            .expect("paths")
            .keys()
            .filter_map(|path| path.strip_prefix("/api/"))
            .filter(|path| !path.contains(['/', '.']))
            .collect();
        let there: BTreeSet<&str> = table::METHODS.iter().copied().collect();
        assert_eq!(described, there);
        assert!(document["paths"]["/api/channels/{channel}"]["post"].is_object());
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn the_document_has_each_field_of_each_request_and_no_other() {
        let document = document();
        for (method, fields) in table::fields() {
            let post = &document["paths"][format!("/api/{method}")]["post"];
            let schema = resolved(
                &document,
                &post["requestBody"]["content"]["application/json"]["schema"],
            );
            let described: BTreeSet<&str> = schema["properties"]
                .as_object()
                .into_iter()
                .flat_map(|properties| properties.keys().map(String::as_str))
                .collect();
            let read: BTreeSet<&str> = fields.iter().copied().collect();
            assert_eq!(described, read, "{method}");
        }
    }

    /// The name of a channel in an address was described as ASCII, so that clients made of the
    /// document refused 弹幕. Its pattern is made of the rule here.
    #[test]
    fn the_pattern_of_a_channel_in_an_address_is_the_rule_of_names() {
        let is_refused = |c: char| channel_name::check(&format!("a{c}")).is_err();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for c in ('\0'..=char::MAX).filter(|c| is_refused(*c)).map(u32::from) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == c => *last = c,
                _ => ranges.push((c, c)),
            }
        }
        let class: String = ranges
            .iter()
            .map(|(first, last)| match first == last {
                true => format!("\\u{first:04x}"),
                false => format!("\\u{first:04x}-\\u{last:04x}"),
            })
            .collect();
        let document = document();
        let post = &document["paths"]["/api/channels/{channel}"]["post"];
        let schema = &post["parameters"][0]["schema"];
        assert_eq!(schema["pattern"], format!("^[^${class}][^{class}]*$"));
        assert_eq!(schema["maxLength"], 255);
    }

    #[test]
    fn a_command_of_a_batch_is_described_with_every_method_but_batch() {
        let document = document();
        let described: BTreeSet<&str> = document["components"]["schemas"]["Command"]["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .map(String::as_str)
            .collect();
        let there: BTreeSet<&str> = table::METHODS
            .iter()
            .copied()
            .filter(|name| *name != "batch")
            .collect();
        assert_eq!(described, there);
    }
}
