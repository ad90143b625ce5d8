//! Writes messages in Protobuf straight into the output. No zero value is written, as proto3 says.
//!
//! A message inside another needs its length before it: one byte is kept free, which is enough for
//! 127 bytes, and what was written moves up when it is not. Messages nest three deep, so that
//! nothing moves more often than that.

use super::super::{
    encode::{Field, MessageEncoder},
    payload::{Data, PayloadRef},
    tags::Tags,
};

const VARINT: u32 = 0;
const DELIMITED: u32 = 2;

/// Appends a varint.
pub(in super::super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes the fields of a message that ends where the output does.
pub(in super::super) struct ProtobufEncoder<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> ProtobufEncoder<'o> {
    /// Goes to the end of `out`.
    pub(in super::super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    fn tag(&mut self, number: u32, wire: u32) {
        varint(u64::from(number << 3 | wire), self.out);
    }

    fn bytes(&mut self, (_, number): Field, value: &[u8]) {
        if !value.is_empty() {
            self.tag(number, DELIMITED);
            varint(value.len() as u64, self.out);
            self.out.extend_from_slice(value);
        }
    }
}

impl MessageEncoder for ProtobufEncoder<'_> {
    fn text(&mut self, field: Field, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn text_always(&mut self, field: Field, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn number(&mut self, (_, number): Field, value: u64) {
        if value != 0 {
            self.tag(number, VARINT);
            varint(value, self.out);
        }
    }

    fn number_always(&mut self, field: Field, value: u64) {
        self.number(field, value);
    }

    fn flag(&mut self, field: Field, value: bool) {
        self.number(field, value.into());
    }

    fn data(&mut self, field: Field, value: &Data) {
        self.bytes(field, value);
    }

    fn payload(&mut self, field: Field, value: PayloadRef<'_>) {
        self.bytes(field, &value.bytes());
    }

    fn message(&mut self, (_, number): Field, fill: impl FnOnce(&mut Self)) {
        self.tag(number, DELIMITED);
        let at = self.out.len();
        self.out.push(0);
        fill(self);
        let len = self.out.len() - at - 1;
        if len < 0x80 {
            self.out[at] = len as u8;
        } else {
            let mut length = Vec::with_capacity(5);
            varint(len as u64, &mut length);
            self.out.splice(at..=at, length);
        }
    }

    fn list_always<T>(&mut self, field: Field, items: &[T], mut fill: impl FnMut(&mut Self, &T)) {
        for item in items {
            self.message(field, |message| fill(message, item));
        }
    }

    fn texts(&mut self, field: Field, tags: &Tags) {
        for (key, value) in tags.iter() {
            self.message(field, |entry| {
                entry.text(("key", 1), key);
                entry.text(("value", 2), value);
            });
        }
    }

    fn map_always<T>(
        &mut self,
        field: Field,
        entries: &[(String, T)],
        mut fill: impl FnMut(&mut Self, &T),
    ) {
        for (key, value) in entries {
            self.message(field, |entry| {
                entry.text(("key", 1), key);
                entry.message(("value", 2), |message| fill(message, value));
            });
        }
    }
}
