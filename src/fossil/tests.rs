//! Deltas against bytes written by hand, random edits, and input made to be slow. Plain data; no
//! case is over 1 MiB.

use proptest::{collection::vec, prelude::*, sample::Index as Place};

use super::{apply, checksum, create};

/// The definition, byte by byte.
fn reference_checksum(data: &[u8]) -> u32 {
    let mut sum = 0_u64;
    for (at, &byte) in data.iter().enumerate() {
        sum += u64::from(byte) << (24 - 8 * (at % 4));
    }
    (sum & 0xffff_ffff) as u32
}

fn round_trip(old: &[u8], new: &[u8]) -> Vec<u8> {
    let delta = create(old, new);
    assert_eq!(apply(old, &delta).as_deref(), Some(new));
    if std::str::from_utf8(new).is_ok() {
        assert!(
            std::str::from_utf8(&delta).is_ok(),
            "a delta of text is text"
        );
    }
    delta
}

/// About 1 KiB of JSON, no part of which repeats for long.
fn document(first: u32, second: u32) -> String {
    let mut text = String::from("{\"rows\":[");
    for row in 0..24_u32 {
        let value = match row {
            8 => first,
            16 => second,
            _ => row.wrapping_mul(2_654_435_761) >> 8,
        };
        text.push_str(&format!(
            "{{\"row\":{row},\"value\":{value},\"unit\":\"ms\"}},"
        ));
    }
    text.push_str("{}]}");
    text
}

#[test]
fn a_changed_word_is_two_copies_around_an_insert() {
    let old = b"The quick brown fox jumps over the lazy dog";
    let new = b"The quick brown cat jumps over the lazy dog";
    // 43 is `g`, 16 is `G`, 24 is `O`, 19 is `J`. The checksum's digits are by hand from the
    // definition.
    let mut sum = reference_checksum(new);
    let mut digits = Vec::new();
    while sum > 0 {
        let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
        digits.insert(0, alphabet[(sum % 64) as usize]);
        sum /= 64;
    }
    let expected = [b"g\nG@0,3:catO@J,".as_slice(), &digits, b";"].concat();
    assert_eq!(round_trip(old, new), expected);
}

#[test]
fn nothing_in_common_is_one_insert() {
    // 61626364 + 65000000 is c6626364 in base 16, 36ObD_ in base 64.
    assert_eq!(round_trip(b"", b"abcde"), b"5\n5:abcde36ObD_;");
    assert_eq!(round_trip(b"xyz", b""), b"0\n0;");
}

#[test]
fn the_sum_is_that_of_the_definition() {
    for len in 0..40 {
        let data: Vec<u8> = (0..len).map(|at| (at * 37 + 200) as u8).collect();
        assert_eq!(checksum(&data), reference_checksum(&data), "{len} bytes");
    }
}

#[test]
fn an_edit_in_a_document_is_small_and_so_are_two() {
    let old = document(1, 2);
    assert!(old.len() > 900);
    let once = round_trip(old.as_bytes(), document(777_777, 2).as_bytes());
    assert!(once.len() < 40, "{} bytes", once.len());
    let twice = round_trip(old.as_bytes(), document(777_777, 888_888).as_bytes());
    assert!(twice.len() < 60, "{} bytes", twice.len());
}

#[test]
fn a_moved_part_is_found() {
    let old = document(1, 2);
    let (head, tail) = old.split_at(old.len() / 2);
    let delta = round_trip(old.as_bytes(), format!("{tail}{head}").as_bytes());
    assert!(delta.len() < 40, "{} bytes", delta.len());
}

/// The bytes of such characters begin alike, so that a match of bytes would end inside one. In JSON
/// the delta is a string, and half a character has no place in it.
#[test]
fn no_part_splits_a_character() {
    let old = "温度は二十一度です。湿度は四十五パーセントです。".repeat(3);
    let new = old.replace('二', "三").replace('五', "亖");
    let delta = round_trip(old.as_bytes(), new.as_bytes());
    assert!(delta.len() < new.len());
}

/// Each position has thousands of equal blocks to compare with; unbounded, this is 10^9 steps and
/// more.
#[test]
fn repeated_blocks_do_not_make_it_quadratic() {
    let old = vec![b'a'; 1 << 20];
    let mut new = vec![b'a'; 1 << 20];
    for at in (0..new.len()).step_by(17) {
        new[at] = b'b';
    }
    let delta = round_trip(&old, &new);
    assert!(delta.len() < new.len());
}

#[test]
fn malformed_deltas_make_nothing() {
    let old = b"0123456789";
    assert_eq!(apply(old, b"3\n3@0,C34G00;"), None, "wrong checksum");
    let right = create(old, b"0123456789abc");
    for end in 0..right.len() {
        assert_eq!(apply(old, &right[..end]), None, "cut at {end}");
    }
    for bad in [
        "",
        "\n",
        "3",
        "3\n",
        "3\n3",
        "3\n3@",
        "3\n3@0",
        "3\n3@0;",
        "3\n3:ab",
        "3\n9@5,0;",
        "3\n~~~~~@~~~~~,",
        "~~~~~~~\n0;",
        "3~~~~~\n0;",
        "0\n0;0;",
        "0\n0; ",
        "0\n1:a0;",
        "1\n0;",
        "0\n?",
        "0\n0/",
        "3\n3:abc",
    ] {
        assert_eq!(apply(old, bad.as_bytes()), None, "{bad:?}");
    }
    assert_eq!(apply(old, b"0\n0;").as_deref(), Some(b"".as_slice()));
}

fn edited() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let edit = (any::<Place>(), 0..40_usize, vec(any::<u8>(), 0..40));
    (vec(0_u8..6, 0..2_000), vec(edit, 0..5)).prop_map(|(old, edits)| {
        let mut new = old.clone();
        for (place, removed, inserted) in edits {
            let start = place.index(new.len() + 1);
            let end = (start + removed).min(new.len());
            new.splice(start..end, inserted);
        }
        (old, new)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_survive((old, new) in edited()) {
        round_trip(&old, &new);
    }

    #[test]
    fn texts_survive(old in "[a-c二三亖é🎈]{0,200}", new in "[a-c二三亖é🎈]{0,200}") {
        round_trip(old.as_bytes(), new.as_bytes());
    }

    #[test]
    fn any_bytes_may_be_applied(
        old in vec(any::<u8>(), 0..64),
        delta in "[0-9A-Z_a-z~@:,;\n]{0,64}",
        raw in vec(any::<u8>(), 0..64),
    ) {
        let _ = apply(&old, delta.as_bytes());
        let _ = apply(&old, &raw);
    }
}
