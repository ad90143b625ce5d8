//! Writes messages in JSON straight into the output, with no value tree and no string in between.
//!
//! What stands in the output is one line: names are fixed, strings are escaped, and payloads have
//! had their newlines removed.

use super::super::{
    encode::{Field, MessageEncoder},
    payload::{Data, PayloadRef, clean_json, string},
    tags::Tags,
};

/// Writes the fields of an object that stands open.
pub(in super::super) struct JsonEncoder<'o> {
    out: &'o mut Vec<u8>,
}

/// Appends an object.
pub(in super::super) fn object(out: &mut Vec<u8>, fill: impl FnOnce(&mut JsonEncoder<'_>)) {
    let mut object = JsonEncoder { out };
    object.braced(fill);
}

/// Appends fields to an object that stands open.
pub(in super::super) fn more(out: &mut Vec<u8>, fill: impl FnOnce(&mut JsonEncoder<'_>)) {
    fill(&mut JsonEncoder { out });
}

impl JsonEncoder<'_> {
    fn braced(&mut self, fill: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        fill(self);
        self.out.push(b'}');
    }

    /// No value ends with an opening bracket, so after one nothing stands before this element.
    fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A key of a map; it comes from outside, so it is escaped.
    fn key(&mut self, key: &str) {
        self.comma();
        string(key, self.out);
        self.out.push(b':');
    }
}

impl MessageEncoder for JsonEncoder<'_> {
    fn text(&mut self, field: Field, value: &str) {
        if !value.is_empty() {
            self.text_always(field, value);
        }
    }

    fn text_always(&mut self, (name, _): Field, value: &str) {
        self.name(name);
        string(value, self.out);
    }

    fn number(&mut self, field: Field, value: u64) {
        if value != 0 {
            self.number_always(field, value);
        }
    }

    fn number_always(&mut self, (name, _): Field, value: u64) {
        self.name(name);
        // Neither a number nor a vector gives this a reason to fail.
        let _ = serde_json::to_writer(&mut *self.out, &value);
    }

    fn flag(&mut self, (name, _): Field, value: bool) {
        if value {
            self.name(name);
            self.out.extend_from_slice(b"true");
        }
    }

    fn data(&mut self, field: Field, value: &Data) {
        match clean_json(value) {
            _ if value.is_empty() => {}
            Some(json) => self.payload(field, PayloadRef::Json(&json)),
            None => self.payload(field, PayloadRef::Binary(value)),
        }
    }

    fn payload(&mut self, (name, _): Field, value: PayloadRef<'_>) {
        if value != PayloadRef::Json(b"") {
            self.name(name);
            value.write_json(self.out);
        }
    }

    fn message(&mut self, (name, _): Field, fill: impl FnOnce(&mut Self)) {
        self.name(name);
        self.braced(fill);
    }

    fn list_always<T>(
        &mut self,
        (name, _): Field,
        items: &[T],
        mut fill: impl FnMut(&mut Self, &T),
    ) {
        self.name(name);
        self.out.push(b'[');
        for item in items {
            self.comma();
            self.braced(|object| fill(object, item));
        }
        self.out.push(b']');
    }

    fn texts(&mut self, field: Field, tags: &Tags) {
        self.message(field, |object| {
            for (key, value) in tags.iter() {
                object.key(key);
                string(value, object.out);
            }
        });
    }

    fn map_always<T>(
        &mut self,
        field: Field,
        entries: &[(String, T)],
        mut fill: impl FnMut(&mut Self, &T),
    ) {
        self.message(field, |object| {
            for (key, value) in entries {
                object.key(key);
                object.braced(|object| fill(object, value));
            }
        });
    }
}
