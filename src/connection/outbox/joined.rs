//! Publications that leave together, in one form: made once for all sessions that take the same of
//! them in the same form.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;

use crate::{
    codec::Opcode,
    protocol::Encoding,
    publication::{
        Compression, Delta, Framing, PayloadFormat, Publication, WireFormat, frame_message,
    },
};

/// A publication as one shard shares it among its sessions: counted without atomics.
pub type SharedPublication = Rc<Arc<Publication>>;

/// Publications in one form, joined for one write: single frames of raw clients, lines and events as
/// they are, one frame of the client protocol.
#[derive(Debug)]
pub struct Batch {
    publications: Vec<SharedPublication>,
    bytes: Bytes,
}

/// What a session takes of a line: one publication, or several that are joined.
#[derive(Debug)]
pub(crate) enum Part {
    /// A single one.
    One(SharedPublication, WireFormat),
    /// Several.
    Several(Rc<Batch>),
}

impl Batch {
    /// In their order; never fewer than two.
    #[must_use]
    pub(crate) fn publications(&self) -> &[SharedPublication] {
        &self.publications
    }

    /// All of it as it goes on the wire.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Joins publications, each in its own delta of a form, into parts of at most `bytes_max`, but
    /// for single publications that are larger.
    #[must_use]
    pub(crate) fn join(
        chosen: &[(SharedPublication, Delta)],
        form: WireFormat,
        bytes_max: usize,
        compression: &Compression,
    ) -> Vec<Part> {
        let mut parts = Vec::new();
        let (mut begin, mut bytes) = (0, 0);
        for (index, (publication, delta)) in chosen.iter().enumerate() {
            let len = piece(publication, form, *delta, compression).len() + 1;
            if index > begin && bytes + len > bytes_max {
                parts.push(part(&chosen[begin..index], form, compression));
                (begin, bytes) = (index, 0);
            }
            bytes += len;
        }
        if begin < chosen.len() {
            parts.push(part(&chosen[begin..], form, compression));
        }
        parts
    }
}

/// Whether the form allows several messages in one frame, and what stands between them.
fn separator(form: WireFormat) -> Option<(Opcode, &'static [u8])> {
    match (form.body, form.framing) {
        (PayloadFormat::Client { encoding, .. }, Framing::WebSocket { .. }) => match encoding {
            Encoding::Json => Some((Opcode::Text, b"\n")),
            Encoding::Protobuf => Some((Opcode::Binary, b"")),
        },
        _ => None,
    }
}

fn with_delta(form: WireFormat, delta: Delta) -> WireFormat {
    match delta {
        Delta::Off => form,
        delta => form.with_delta(delta),
    }
}

/// What a publication brings into a batch.
fn piece<'a>(
    publication: &'a Publication,
    form: WireFormat,
    delta: Delta,
    compression: &Compression,
) -> &'a [u8] {
    let own = with_delta(form, delta);
    match separator(form) {
        Some(_) => publication.frame(own.bare(), compression),
        None => publication.frame(own, compression),
    }
}

fn part(
    chosen: &[(SharedPublication, Delta)],
    form: WireFormat,
    compression: &Compression,
) -> Part {
    if let [(publication, delta)] = chosen {
        return Part::One(publication.clone(), with_delta(form, *delta));
    }
    let pieces: Vec<&[u8]> = chosen
        .iter()
        .map(|(publication, delta)| piece(publication, form, *delta, compression))
        .collect();
    let bytes = match separator(form) {
        Some((opcode, separator)) => {
            let joined = pieces.join(separator);
            frame_message(form.framing, opcode, &joined, compression)
        }
        None => pieces.concat().into(),
    };
    Part::Several(Rc::new(Batch {
        publications: chosen
            .iter()
            .map(|(publication, _)| publication.clone())
            .collect(),
        bytes,
    }))
}

#[cfg(test)]
mod tests;
