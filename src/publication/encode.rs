//! One publication in one form: what the message looks like, then what carries it. Called once for
//! each form of a publication, on the thread of whoever needs it first.

use bytes::Bytes;

use super::{
    Content, Publication, Target,
    item::{data_field, json_string},
    wire_format::{Compression, Delta, PayloadFormat, WireFormat, frame_message},
};
use crate::{
    codec::Opcode,
    fossil,
    id::StreamPosition,
    protocol::{self, Encoding, Push},
};

impl Publication {
    /// The complete frame in a form.
    pub(super) fn encode(&self, wire_format: WireFormat, compression: &Compression) -> Bytes {
        match (wire_format.body, &self.content) {
            (PayloadFormat::Raw, Content::Item(item)) => {
                let payload = &item.payload;
                frame_message(
                    wire_format.framing,
                    payload.opcode(),
                    payload.as_bytes(),
                    compression,
                )
            }
            (body, _) => {
                let (opcode, message) = encode_body(self, body);
                frame_message(wire_format.framing, opcode, &message, compression)
            }
        }
    }
}

fn encode_body(publication: &Publication, body: PayloadFormat) -> (Opcode, Vec<u8>) {
    let mut out = Vec::new();
    match (body, &publication.content) {
        (PayloadFormat::Envelope, Content::Item(_)) => {
            envelope(publication, &mut out);
            (Opcode::Text, out)
        }
        // Plain clients are not told who comes and goes; the shard does not offer it to them.
        (PayloadFormat::Raw | PayloadFormat::Envelope, _) => (Opcode::Text, out),
        (
            PayloadFormat::Client {
                encoding,
                unidirectional,
                delta,
            },
            _,
        ) => {
            client(publication, encoding, unidirectional, delta, &mut out);
            match encoding {
                Encoding::Json => (Opcode::Text, out),
                Encoding::Protobuf => {
                    let mut delimited = Vec::with_capacity(out.len() + 3);
                    protocol::append_message(encoding, &out, &mut delimited);
                    (Opcode::Binary, delimited)
                }
            }
        }
    }
}

fn client(
    publication: &Publication,
    encoding: Encoding,
    unidirectional: bool,
    delta: Delta,
    out: &mut Vec<u8>,
) {
    let channel = publication.channel();
    let mut push =
        |push: &Push<'_>| protocol::encode_push(encoding, unidirectional, channel, push, out);
    let item = match &publication.content {
        Content::Join(info) => return push(&Push::Join(info)),
        Content::Leave(info) => return push(&Push::Leave(info)),
        Content::Item(item) => item,
    };
    if !matches!(publication.target, Target::Channel(_)) {
        return push(&Push::Message {
            data: item.as_json(),
        });
    }
    let mut shown = item.as_pub();
    match (delta, &publication.previous) {
        (Delta::Off, _) => push(&Push::Pub(shown)),
        (delta, previous) => {
            let whole = item.delta_bytes(encoding);
            let patch = previous
                .as_ref()
                .filter(|_| delta == Delta::Patch && whole.len() <= PATCHED_BYTES_MAX)
                .map(|previous| fossil::create(&previous.delta_bytes(encoding), &whole))
                .filter(|patch| patch.len() < whole.len());
            shown.delta = patch.is_some();
            shown.data = protocol::PayloadRef::Stringed(patch.as_deref().unwrap_or(&whole));
            push(&Push::Pub(shown));
        }
    }
}

/// Payloads beyond this go out whole: making a patch takes time that all receivers of the shard
/// wait for.
const PATCHED_BYTES_MAX: usize = 1 << 20;

fn envelope(publication: &Publication, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"channel\":");
    json_string(publication.channel(), out);
    let StreamPosition { offset, epoch } = publication.position();
    if offset > 0 {
        out.extend_from_slice(
            format!(",\"offset\":{offset},\"since\":\"{offset}@{epoch}\"").as_bytes(),
        );
    }
    if let Some(item) = publication.item() {
        out.push(b',');
        data_field(item, out);
    }
    out.push(b'}');
}
