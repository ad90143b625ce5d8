//! The codec by itself: decode and unmask by frame size, text against binary, whole against split;
//! deflate and inflate.
//!
//! Run with `cargo bench --bench codec`. Bytes per second count payload. One thread, no socket:
//! what the codec adds to a delivery, not what a delivery costs.

use std::time::Duration;

use divan::{Bencher, counter::BytesCount};
use fanfare::codec::{
    Decoder, Opcode,
    deflate::{Deflater, inflate},
    encode,
};

const LIMIT: usize = 1 << 20;
const SIZES: [usize; 4] = [16, 128, 4096, 65536];
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn main() {
    // Long enough for a steady median. Compare the fastest too: on some processors the speed of a
    // large copy depends on how its two addresses lie to each other, which differs from run to run.
    divan::Divan::default()
        .min_time(Duration::from_millis(300))
        .config_with_args()
        .main();
}

/// A frame as a client sends it.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let plain = encode(Opcode::Binary, payload);
    let head = plain.len() - payload.len();
    let mut frame = vec![first, plain[1] | 0x80];
    frame.extend_from_slice(&plain[2..head]);
    frame.extend_from_slice(&KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(b, k)| b ^ k));
    frame
}

fn ascii(size: usize) -> Vec<u8> {
    b"the quick brown fox ".repeat(size / 20 + 1)[..size].to_vec()
}

fn chinese(size: usize) -> Vec<u8> {
    let mut text = "推送服务器向所有人广播消息".repeat(size / 39 + 1);
    text.truncate((0..=size).rfind(|n| text.is_char_boundary(*n)).unwrap_or(0));
    text.into_bytes()
}

fn json(size: usize) -> Vec<u8> {
    let mut text = String::from("[");
    for id in 0.. {
        if text.len() >= size {
            break;
        }
        text.push_str(&format!(
            "{{\"id\":{},\"user\":\"user{}\",\"text\":\"hello 你好\",\"at\":17000{}}},",
            id * 7919 % 1000,
            id * 31 % 17,
            id * 104_729 % 99_991
        ));
    }
    text.into_bytes().into_iter().take(size).collect()
}

/// Decodes a copy of `frame`, in pieces of `piece` bytes. The copy, which a socket read would make,
/// is in the figure.
fn decode(bencher: Bencher, frame: &[u8], payload: usize, piece: usize) {
    let mut decoder = Decoder::new(LIMIT, true);
    let mut buffer = frame.to_vec();
    bencher.counter(BytesCount::new(payload)).bench_local(|| {
        buffer.copy_from_slice(frame);
        let mut message = None;
        for piece in buffer.chunks_mut(piece) {
            let mut input = piece;
            message = decoder.decode(&mut input).expect("a legal frame");
        }
        // Dropped here: the next one finds its memory warm, as on a thread that serves.
        assert!(message.is_some());
    });
}

#[divan::bench(args = SIZES)]
fn decode_binary(bencher: Bencher, size: usize) {
    let frame = masked(0x82, &ascii(size));
    decode(bencher, &frame, size, frame.len());
}

#[divan::bench(args = SIZES)]
fn decode_text_ascii(bencher: Bencher, size: usize) {
    let frame = masked(0x81, &ascii(size));
    decode(bencher, &frame, size, frame.len());
}

#[divan::bench(args = SIZES)]
fn decode_text_chinese(bencher: Bencher, size: usize) {
    let frame = masked(0x81, &chinese(size));
    decode(bencher, &frame, size, frame.len());
}

#[divan::bench(args = [4096, 65536])]
fn decode_text_chinese_in_reads_of_1460(bencher: Bencher, size: usize) {
    let frame = masked(0x81, &chinese(size));
    decode(bencher, &frame, size, 1460);
}

#[divan::bench(args = SIZES)]
fn encode_text(bencher: Bencher, size: usize) {
    let payload = ascii(size);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| encode(Opcode::Text, &payload));
}

#[divan::bench(args = [(256, 15), (4096, 15), (4096, 9)])]
fn deflate_json(bencher: Bencher, (size, bits): (usize, u8)) {
    let payload = json(size);
    let mut deflater = Deflater::new(6);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| deflater.compress(&payload, bits));
}

#[divan::bench(args = [256, 4096, 65536])]
fn inflate_json(bencher: Bencher, size: usize) {
    let deflated = Deflater::new(6).compress(&json(size), 15);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| inflate(&deflated, LIMIT, |plain| Ok(plain.len())));
}

/// The dearest legal bytes known: final empty blocks, each a stream of its own. The figure is per
/// byte received.
#[divan::bench]
fn inflate_64_kib_of_final_blocks(bencher: Bencher) {
    let deflated = [0x03, 0x00].repeat(32768);
    bencher
        .counter(BytesCount::new(deflated.len()))
        .bench_local(|| inflate(&deflated, LIMIT, |plain| Ok(plain.len())));
}
