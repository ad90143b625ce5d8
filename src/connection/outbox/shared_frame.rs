//! A publication, or several that leave together, in one form: made once in a shard for all of its
//! sessions that take the same. What each receiver would have to find out again stands here: the
//! bytes, and how long they took.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;

use crate::{
    codec::Opcode,
    metrics::{DelayCounts, Delays},
    protocol::Encoding,
    publication::{
        Compression, Delta, Framing, PayloadFormat, Publication, WireFormat, frame_message,
    },
};

/// A publication as one shard shares it among its sessions: counted without atomics.
pub type SharedPublication = Rc<Arc<Publication>>;

#[derive(Debug)]
enum Publications {
    One(SharedPublication),
    Several(Vec<SharedPublication>),
}

/// Publications in one form, ready for one write: single frames of raw clients, lines and events
/// behind each other, one frame of the client protocol.
#[derive(Debug)]
pub struct SharedFrame {
    publications: Publications,
    bytes: Bytes,
    /// How long they had taken when it was last asked, which is the same for all that are written
    /// in one turn.
    delays: RefCell<Option<(Instant, DelayCounts)>>,
}

impl SharedFrame {
    /// One publication in a form.
    #[must_use]
    pub fn one(
        publication: SharedPublication,
        form: WireFormat,
        compression: &Compression,
    ) -> Rc<Self> {
        let bytes = publication.frame(form, compression).clone();
        Self::of(Publications::One(publication), bytes)
    }

    fn of(publications: Publications, bytes: Bytes) -> Rc<Self> {
        Rc::new(Self {
            publications,
            bytes,
            delays: RefCell::default(),
        })
    }

    /// In their order.
    #[must_use]
    pub(crate) fn publications(&self) -> &[SharedPublication] {
        match &self.publications {
            Publications::One(publication) => std::slice::from_ref(publication),
            Publications::Several(publications) => publications,
        }
    }

    /// All of it as it goes on the wire.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Notes how long they took until now.
    pub(crate) fn observe(&self, delays: &Delays, now: Instant) {
        let mut known = self.delays.borrow_mut();
        let counts = match &mut *known {
            Some((at, counts)) if *at == now => counts,
            _ => {
                let mut counts = DelayCounts::default();
                for publication in self.publications() {
                    counts.add(now.saturating_duration_since(publication.accepted()), 1);
                }
                &mut known.insert((now, counts)).1
            }
        };
        delays.observe(counts);
    }

    /// Joins publications, each in its own delta of a form, into frames of at most `bytes_max`, but
    /// for single publications that are larger.
    #[must_use]
    pub(crate) fn join(
        chosen: &[(SharedPublication, Delta)],
        form: WireFormat,
        bytes_max: usize,
        compression: &Compression,
    ) -> Vec<Rc<Self>> {
        let mut frames = Vec::with_capacity(1);
        let (mut begin, mut bytes) = (0, 0);
        for (index, (publication, delta)) in chosen.iter().enumerate() {
            let len = piece(publication, form, *delta, compression).len() + 1;
            if index > begin && bytes + len > bytes_max {
                frames.push(frame(&chosen[begin..index], form, compression));
                (begin, bytes) = (index, 0);
            }
            bytes += len;
        }
        if begin < chosen.len() {
            frames.push(frame(&chosen[begin..], form, compression));
        }
        frames
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

/// What a publication brings into a frame of several.
fn piece<'a>(
    publication: &'a Publication,
    form: WireFormat,
    delta: Delta,
    compression: &Compression,
) -> &'a [u8] {
    let own = with_delta(form, delta);
    match separator(form) {
        Some(_) => publication.frame(own.unframed(), compression),
        None => publication.frame(own, compression),
    }
}

fn frame(
    chosen: &[(SharedPublication, Delta)],
    form: WireFormat,
    compression: &Compression,
) -> Rc<SharedFrame> {
    if let [(publication, delta)] = chosen {
        return SharedFrame::one(publication.clone(), with_delta(form, *delta), compression);
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
    let publications = chosen.iter().map(|(it, _)| it.clone()).collect();
    SharedFrame::of(Publications::Several(publications), bytes)
}

#[cfg(test)]
mod tests;
