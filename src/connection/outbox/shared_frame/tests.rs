//! What publications that leave together look like in each form, and how many share a frame.

use std::sync::Arc;

use super::*;
use crate::{
    codec,
    publication::{Content, Item, Payload, Target},
};

const COMPRESSION: Compression = Compression {
    min_bytes: 256,
    level: 3,
};
const PLENTY: usize = 1 << 20;

fn publication(text: &str, offset: u64) -> SharedPublication {
    let item = Item::new(Payload::Text(text.to_string().into()), offset);
    let target = Target::Channel("c".into());
    Rc::new(Arc::new(Publication::new(
        target,
        Content::Item(Arc::new(item)),
    )))
}

fn line(texts: &[&str]) -> Vec<(SharedPublication, Delta)> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(index, text)| (publication(text, index as u64 + 1), Delta::Off))
        .collect()
}

fn client(encoding: Encoding, framing: Framing) -> WireFormat {
    WireFormat {
        body: PayloadFormat::Client {
            encoding,
            unidirectional: false,
            delta: Delta::Off,
        },
        framing,
    }
}

fn joined(chosen: &[(SharedPublication, Delta)], form: WireFormat) -> Vec<u8> {
    let frames = SharedFrame::join(chosen, form, PLENTY, &COMPRESSION);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].publications().len(), chosen.len());
    frames[0].bytes().to_vec()
}

/// The frames of each, one behind the other.
fn each(chosen: &[(SharedPublication, Delta)], form: WireFormat) -> Vec<u8> {
    let frames = chosen.iter();
    frames
        .flat_map(|(publication, _)| publication.frame(form, &COMPRESSION).to_vec())
        .collect()
}

/// A client of the protocol reads each frame by itself: JSON by its newlines, Protobuf by lengths.
/// All of a batch is in one frame of them.
#[test]
fn the_protocol_has_all_replies_in_one_frame() {
    let line = line(&["1", "2", "3"]);
    let web = Framing::WebSocket { window_bits: 0 };
    let json = joined(&line, client(Encoding::Json, web));
    let length = usize::from(u16::from_be_bytes([json[2], json[3]]));
    assert_eq!((json[0], json[1], length), (0x81, 126, json.len() - 4));
    let replies: Vec<&str> = std::str::from_utf8(&json[4..])
        .expect("text")
        .lines()
        .collect();
    assert_eq!(replies.len(), 3);
    for (index, reply) in replies.iter().enumerate() {
        let number = index + 1;
        let expected = format!("\"pub\":{{\"data\":{number},\"offset\":{number}}}");
        assert!(reply.contains(&expected), "{reply}");
    }
    let protobuf = joined(&line, client(Encoding::Protobuf, web));
    assert_eq!(
        (protobuf[0], usize::from(protobuf[1])),
        (0x82, protobuf.len() - 2)
    );
    let mut rest = &protobuf[2..];
    for (publication, _) in &line {
        let single = publication.frame(client(Encoding::Protobuf, web), &COMPRESSION);
        // What a single frame holds is a length and a reply, too.
        let reply = &single[2..];
        assert_eq!(usize::from(reply[0]), reply.len() - 1);
        assert_eq!(&rest[..reply.len()], reply);
        rest = &rest[reply.len()..];
    }
    assert!(rest.is_empty());
}

/// Raw clients, lines and events know messages by their own frames. A batch is these, unchanged, in
/// one write.
#[test]
fn raw_frames_lines_and_events_stand_as_they_are() {
    let line = line(&["1", &"22 ".repeat(200), "3"]);
    for form in [
        WireFormat::RAW,
        WireFormat::raw(15),
        client(Encoding::Json, Framing::Line),
        client(Encoding::Protobuf, Framing::Line),
        client(Encoding::Json, Framing::Event),
    ] {
        assert_eq!(joined(&line, form), each(&line, form), "{form:?}");
    }
}

/// Deflating is what a batch costs most. It is deflated as one message, which short messages that
/// look alike are worth, though none of them would be deflated alone.
#[test]
fn the_protocol_s_batch_is_deflated_as_one() {
    let texts: Vec<String> = (0..40)
        .map(|number| format!("{{\"price\":{number}}}"))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let line = line(&texts);
    let plain = joined(
        &line,
        client(Encoding::Json, Framing::WebSocket { window_bits: 0 }),
    );
    let frame = joined(
        &line,
        client(Encoding::Json, Framing::WebSocket { window_bits: 15 }),
    );
    assert_eq!(frame[0], 0xc1, "FIN, deflated, text");
    assert!(frame.len() < plain.len() / 4);
    let inflated =
        codec::deflate::inflate(&frame[4..], PLENTY, |plain| Ok(plain.to_vec())).expect("deflated");
    assert_eq!(inflated, plain[4..]);
}

/// A frame of any length would be a message that no client takes. A line is parted where the next
/// message would be too much, and a single message that is longer stands alone.
#[test]
fn a_part_has_no_more_than_its_bound_but_for_a_single_message() {
    let long = "x".repeat(500);
    let line = line(&["1", "2", &long, "3", "4", "5"]);
    let form = client(Encoding::Json, Framing::WebSocket { window_bits: 0 });
    let frames = SharedFrame::join(&line, form, 200, &COMPRESSION);
    let sizes: Vec<(usize, usize)> = frames
        .iter()
        .map(|frame| (frame.publications().len(), frame.bytes().len()))
        .collect();
    let counts: Vec<usize> = sizes.iter().map(|(count, _)| *count).collect();
    assert_eq!(counts, [2, 1, 3]);
    assert!(
        sizes[0].1 <= 200 + 4 && sizes[1].1 > 500 && sizes[2].1 <= 200 + 4,
        "{sizes:?}"
    );
}

/// A subscription with deltas takes the first in full and the others as patches. Each stands in the
/// batch in the form that was chosen for it, though the session's form is another.
#[test]
fn each_message_is_in_its_own_delta() {
    let epoch = crate::id::Epoch::random();
    let text = |number| {
        format!(
            "{{\"text\":\"{}\",\"n\":{number}}}",
            "the same again ".repeat(8)
        )
    };
    let items: Vec<_> = (1..=2)
        .map(|number| Arc::new(Item::new(Payload::Text(text(number).into()), number)))
        .collect();
    let shared = |item: &Arc<Item>, before: Option<&Arc<Item>>| {
        let content = Content::Item(item.clone());
        let publication = Publication::new(Target::Channel("c".into()), content);
        Rc::new(Arc::new(publication.in_stream(epoch, before.cloned())))
    };
    let line = [
        (shared(&items[0], None), Delta::Full),
        (shared(&items[1], Some(&items[0])), Delta::Patch),
    ];
    let form = client(Encoding::Json, Framing::WebSocket { window_bits: 0 });
    let frame = joined(&line, form);
    let replies = String::from_utf8(frame[4..].to_vec()).expect("text");
    let replies: Vec<&str> = replies.lines().collect();
    assert_eq!(replies.len(), 2);
    assert!(!replies[0].contains("\"delta\":true"), "{}", replies[0]);
    assert!(replies[1].contains("\"delta\":true"), "{}", replies[1]);
    assert!(replies[1].len() < replies[0].len());
}
