//! What a connection costs: nothing while idle, what has arrived while a message is under way.

use super::*;

#[test]
fn a_decoder_is_small_and_owns_no_heap_between_messages() {
    assert!(size_of::<Decoder>() <= 64, "{}", size_of::<Decoder>());
    let mut decoder = Decoder::new(LIMIT, true);
    let mut bytes = frame(0x01, &[b'x'; 5000]);
    bytes.extend(frame(0x89, b"ping"));
    bytes.extend(frame(0x80, &[b'y'; 5000]));
    assert_eq!(decoder.heap_bytes(), 0);
    let (messages, protocol_error) = feed(&mut decoder, bytes.chunks(7));
    assert_eq!((messages.len(), protocol_error), (2, None));
    assert_eq!(decoder.heap_bytes(), 0);
}

#[test]
fn part_of_a_head_or_of_a_ping_costs_little() {
    let mut decoder = Decoder::new(LIMIT, false);
    let head = &frame(0x82, &[0; 70_000])[..13];
    assert_eq!(
        feed(&mut Decoder::new(1 << 20, false), [head]),
        (vec![], None)
    );
    let ping = &frame(0x89, &[0; 125])[..100];
    assert_eq!(feed(&mut decoder, [ping]), (vec![], None));
    assert!(decoder.heap_bytes() < 512);
}

/// Bug to keep out: a head announces 2^40 bytes, and the server reserves or collects them.
#[test]
fn an_announcement_alone_costs_nothing() {
    let mut decoder = Decoder::new(LIMIT, false);
    let head = [0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0];
    assert_eq!(
        feed(&mut decoder, [&head[..]]).1,
        Some(ProtocolError::MessageTooBig { limit: LIMIT })
    );
    assert_eq!(decoder.heap_bytes(), 0);

    let mut decoder = Decoder::new(1 << 40, false);
    let mut head = head.to_vec();
    head.extend(KEY);
    assert_eq!(feed(&mut decoder, [&head[..]]), (vec![], None));
    assert!(decoder.heap_bytes() < 256);
}

#[test]
fn a_buffer_grows_with_what_arrived_and_stays_under_the_limit() {
    for (first, chunk) in [(0x82, 1), (0x82, 1000), (0x02, 1), (0x02, 1000)] {
        let mut decoder = Decoder::new(LIMIT, false);
        let bytes = frame(first, &[0; LIMIT]);
        let mut received = 0;
        for piece in bytes[..bytes.len() - 1].chunks(chunk) {
            assert_eq!(feed(&mut decoder, [piece]), (vec![], None));
            received += piece.len();
            let heap = decoder.heap_bytes();
            assert!(
                heap <= received.min(LIMIT / 2) * 2 + 256,
                "{heap} for {received}"
            );
        }
    }
}

/// Bug to keep out: a message whose fragments never end and hold nothing, each of them kept.
#[test]
fn empty_fragments_without_end_cost_no_memory() {
    let mut decoder = Decoder::new(LIMIT, false);
    let start = frame(0x01, b"");
    assert_eq!(feed(&mut decoder, [&start[..]]), (vec![], None));
    let heap = decoder.heap_bytes();
    assert!(heap < 256);
    let more = frame(0x00, b"").repeat(1000);
    for _ in 0..100 {
        assert_eq!(feed(&mut decoder, [&more[..]]), (vec![], None));
    }
    assert_eq!(decoder.heap_bytes(), heap);
    let end = frame(0x80, b"");
    assert_eq!(feed(&mut decoder, [&end[..]]), (vec![text("")], None));
}
