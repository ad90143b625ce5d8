//! Properties of the codec over arbitrary input: how a stream is split must not matter, and what is
//! encoded decodes.
//!
//! Bounds: messages up to 70 KB, a few frames each; every case is plain data. Examples and edges
//! stand in the codec's own tests.

use fanfare::codec::{
    CloseFrame, Decoder, Message, Opcode, ProtocolError,
    deflate::{Deflater, inflate, negotiate},
    encode, encode_close,
};
use proptest::{collection::vec, prelude::*, sample::Index};

const LIMIT: usize = 70_000;

type Outcome = (Vec<Message>, Option<ProtocolError>);

/// A frame as a client sends it.
#[derive(Clone, Debug)]
struct Sent {
    first: u8,
    key: [u8; 4],
    payload: Vec<u8>,
}

impl Sent {
    fn wire(&self) -> Vec<u8> {
        let mut bytes = vec![self.first];
        match self.payload.len() {
            len @ 0..=125 => bytes.push(0x80 | len as u8),
            len @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(0x80 | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend(self.key);
        let masked = self.payload.iter().zip(self.key.iter().cycle());
        bytes.extend(masked.map(|(byte, key)| byte ^ key));
        bytes
    }
}

/// What a message is, and how it is sent.
#[derive(Clone, Debug)]
enum Case {
    Data {
        text: bool,
        compressed: bool,
        payload: Vec<u8>,
        cuts: Vec<Index>,
        /// A ping between the fragments.
        ping: Option<Vec<u8>>,
    },
    Pong(Vec<u8>),
}

impl Case {
    fn send(&self, key: [u8; 4], wire: &mut Vec<u8>, expected: &mut Vec<Message>) {
        let sent = |first, payload: &[u8]| {
            let payload = payload.to_vec();
            Sent {
                first,
                key,
                payload,
            }
            .wire()
        };
        match self {
            Self::Pong(payload) => {
                wire.extend(sent(0x8a, payload));
                expected.push(Message::Pong(payload.clone().into()));
            }
            Self::Data {
                text,
                compressed,
                payload,
                cuts,
                ping,
            } => {
                let body = if *compressed {
                    Deflater::new(1).compress(payload, 15)
                } else {
                    payload.clone()
                };
                let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
                at.sort_unstable();
                at.push(body.len());
                let mut from = 0;
                for (i, to) in at.iter().copied().enumerate() {
                    let fin = if i + 1 == at.len() { 0x80 } else { 0 };
                    let opcode = if i > 0 { 0 } else { 2 - u8::from(*text) };
                    let rsv1 = if i == 0 && *compressed { 0x40 } else { 0 };
                    wire.extend(sent(fin | rsv1 | opcode, &body[from..to]));
                    from = to;
                    if let (0, Some(ping)) = (fin, ping) {
                        wire.extend(sent(0x89, ping));
                        expected.push(Message::Ping(ping.clone().into()));
                    }
                }
                expected.push(match std::str::from_utf8(payload) {
                    Ok(text_payload) if *text => Message::Text(text_payload.into()),
                    _ => Message::Binary(payload.clone().into()),
                });
            }
        }
    }
}

/// Lengths around every edge of the wire's length forms, and in between.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0_usize..200,
        1 => prop::sample::select(vec![0_usize, 1, 125, 126, 127, 65_535, 65_536]),
        1 => 0_usize..LIMIT - 1000,
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let control = vec(any::<u8>(), 0..=125);
    let payload = prop_oneof![
        (any::<bool>(), length(), any::<u8>()).prop_map(|(_, len, seed)| (
            false,
            (0..len).map(|i| (i as u8).wrapping_mul(seed)).collect()
        )),
        (
            length(),
            prop::sample::select(vec!["ascii ", "é", "推送", "🦀 "])
        )
            .prop_map(|(len, unit)| (true, unit.repeat(len / unit.len()).into_bytes())),
        any::<String>().prop_map(|text| (true, text.into_bytes())),
    ];
    prop_oneof![
        5 => (payload, any::<bool>(), vec(any::<Index>(), 0..4), prop::option::of(control.clone()))
            .prop_map(|((text, payload), compressed, cuts, ping)| Case::Data { text, compressed, payload, cuts, ping }),
        1 => control.prop_map(Case::Pong),
    ]
}

/// Bytes that get further than noise would: legal and nearly legal frames.
fn nearly_legal() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        4 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0xc2, 0x41, 0x88]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        vec(any::<u8>(), 0..20),
        "\\PC{0,12}".prop_map(String::into_bytes),
        Just(vec![0x03, 0xe8]),
    ];
    let frame = (first, any::<[u8; 4]>(), payload).prop_map(|(first, key, payload)| {
        Sent {
            first,
            key,
            payload,
        }
        .wire()
    });
    let piece = prop_oneof![8 => frame, 1 => vec(any::<u8>(), 0..20)];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn decode(bytes: &[u8], limit: usize, deflate: bool, mut cuts: Vec<usize>) -> Outcome {
    cuts.push(bytes.len());
    cuts.sort_unstable();
    let mut decoder = Decoder::new(limit, deflate);
    let mut messages = Vec::new();
    let mut from = 0;
    for to in cuts {
        let mut piece = bytes[from..to].to_vec();
        from = to;
        let mut input = &mut piece[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(protocol_error) => return (messages, Some(protocol_error)),
            }
        }
        assert!(input.is_empty(), "`None` means that all input was taken");
        let bound = to.min(limit / 2) * 2 + 512;
        assert!(
            decoder.heap_bytes() <= bound,
            "{} over {bound}",
            decoder.heap_bytes()
        );
    }
    (messages, None)
}

fn places(cuts: &[Index], bytes: &[u8]) -> Vec<usize> {
    cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_legal_messages_decodes_to_them(
        cases in vec((case(), any::<[u8; 4]>()), 1..5),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        for (case, key) in &cases {
            case.send(*key, &mut wire, &mut expected);
        }
        let whole = decode(&wire, LIMIT, true, vec![]);
        prop_assert_eq!(&whole, &(expected, None));
        prop_assert_eq!(&decode(&wire, LIMIT, true, places(&cuts, &wire)), &whole);
        let single = (1..wire.len()).collect();
        prop_assert_eq!(&decode(&wire, LIMIT, true, single), &whole);
    }

    #[test]
    fn any_split_of_any_bytes_gives_one_verdict(
        bytes in prop_oneof![4 => nearly_legal(), 1 => vec(any::<u8>(), 0..300)],
        cuts in vec(any::<Index>(), 0..12),
        deflate in any::<bool>(),
        limit in prop::sample::select(vec![0_usize, 1, 16, 125, 70_000]),
    ) {
        let whole = decode(&bytes, limit, deflate, vec![]);
        prop_assert_eq!(&decode(&bytes, limit, deflate, places(&cuts, &bytes)), &whole);
        let single = (1..bytes.len()).collect();
        prop_assert_eq!(&decode(&bytes, limit, deflate, single), &whole);
    }

    #[test]
    fn what_is_encoded_has_the_payload_and_the_shortest_length(len in length(), text in any::<bool>()) {
        let payload = vec![b'x'; len];
        let opcode = if text { Opcode::Text } else { Opcode::Binary };
        let frame = encode(opcode, &payload);
        // The same frame with a mask put in is what a client would send; it must decode.
        let key = [0; 4];
        let masked = Sent { first: frame[0], key, payload: payload.clone() }.wire();
        prop_assert_eq!(frame.len(), masked.len() - 4);
        let head = frame.len() - len;
        prop_assert_eq!(&masked[2..head], &frame[2..head]);
        prop_assert_eq!(masked[1], frame[1] | 0x80);
        let message = if text {
            Message::Text("x".repeat(len).into())
        } else {
            Message::Binary(payload.into())
        };
        prop_assert_eq!(decode(&masked, LIMIT, false, vec![]), (vec![message], None));
    }

    #[test]
    fn a_close_of_any_code_and_reason_decodes(code in any::<u16>(), reason in "\\PC{0,80}") {
        let frame = encode_close(code, &reason);
        let masked = Sent { first: frame[0], key: [1, 2, 3, 4], payload: frame[2..].to_vec() }.wire();
        match decode(&masked, LIMIT, false, vec![]) {
            (messages, None) => match &messages[..] {
                [Message::Close(None)] => prop_assert_eq!(frame.len(), 2),
                [Message::Close(Some(CloseFrame { code: got, reason: cut }))] => {
                    prop_assert_eq!(*got, code);
                    prop_assert!(reason.starts_with(&**cut));
                    prop_assert!(cut.len() == reason.len() || cut.len() > 119);
                }
                other => prop_assert!(false, "{:?}", other),
            },
            (_, protocol_error) => prop_assert!(false, "{:?}", protocol_error),
        }
    }

    #[test]
    fn what_is_deflated_inflates_at_every_window(
        pieces in vec((vec(any::<u8>(), 1..40), 1_usize..200), 0..20),
        level in 0_u32..=9,
    ) {
        let plain: Vec<u8> = pieces.iter().flat_map(|(piece, times)| piece.repeat(*times)).collect();
        let mut deflater = Deflater::new(level);
        for bits in 9..=15 {
            let deflated = deflater.compress(&plain, bits);
            let same = inflate(&deflated, plain.len(), |inflated| Ok(inflated == plain));
            prop_assert_eq!(same, Ok(true));
        }
    }

    #[test]
    fn inflating_noise_never_exceeds_the_limit(noise in vec(any::<u8>(), 0..200), limit in 0_usize..2000) {
        if let Ok(len) = inflate(&noise, limit, |plain| Ok(plain.len())) {
            prop_assert!(len <= limit);
        }
    }

    #[test]
    fn any_extension_header_is_answered_legally_or_not_at_all(
        header in "((permessage-deflate|x)?(; ?(server_max_window_bits|client_max_window_bits|server_no_context_takeover|[a-z\"\\\\;,=é]{0,4})(=\"?[0-9]{0,2}\"?)?){0,4},? ?){0,3}",
    ) {
        if let Some(agreed) = negotiate([header.as_str()].into_iter()) {
            prop_assert!((9..=15).contains(&agreed.window_bits));
            prop_assert!(agreed.response.starts_with("permessage-deflate; server_no_context_takeover; client_no_context_takeover"));
            // Our own answer, taken as an offer, is accepted with the same window.
            let again = negotiate([agreed.response.as_str()].into_iter());
            prop_assert_eq!(again.as_ref(), Some(&agreed));
        }
    }
}
