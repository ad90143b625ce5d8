//! What the reader makes of whole, torn and damaged bytes.

use proptest::{collection::vec, prelude::*};

use super::*;

const TAG: u32 = 0x5eed_0001;

/// A segment of batches, each of so many bodies, and where each frame begins.
fn segment(batches: &[usize]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut starts) = (header(TAG).to_vec(), Vec::new());
    for (batch, &frames) in (1..).zip(batches) {
        for frame in 1..=frames {
            starts.push(bytes.len());
            let last = frame == frames;
            let place = FramePlace {
                tag: TAG,
                batch,
                last,
            };
            let number = starts.len();
            put_frame(&mut bytes, place, |out| {
                out.extend(vec![number as u8; 8 + number])
            });
        }
    }
    (bytes, starts)
}

fn read(bytes: &[u8]) -> (Vec<u8>, SegmentOutcome) {
    let mut reader = SegmentReader::new(bytes).expect("a segment");
    let bodies = reader.by_ref().map(|frame| frame.body[0]).collect();
    (bodies, reader.outcome())
}

// A process that is killed while it writes leaves a part of its last write. That is no damage, and
// nothing that was acknowledged is in it.
#[test]
fn a_write_that_was_not_finished_is_cut_and_nothing_before_it() {
    let (bytes, starts) = segment(&[1, 3, 2]);
    for cut in starts[4] + 1..bytes.len() {
        let (bodies, outcome) = read(&bytes[..cut]);
        let whole = if cut <= starts[5] { 4 } else { 5 };
        let whole = whole + usize::from(cut == starts[5]);
        assert_eq!(bodies, (1..=whole as u8).collect::<Vec<_>>(), "{cut}");
        assert_eq!(
            (outcome.torn, outcome.damaged),
            (cut != starts[5], false),
            "{cut}"
        );
    }
}

// Pages of a write reach the disk in any order, so behind a hole of the last write there may be
// more of it. It was not acknowledged, and a hole in the middle must not be jumped over.
#[test]
fn a_hole_in_the_last_write_is_no_damage() {
    let (mut bytes, starts) = segment(&[1, 2, 3]);
    bytes[starts[3]..starts[4]].fill(0);
    let (bodies, outcome) = read(&bytes);
    assert_eq!(bodies, [1, 2, 3]);
    assert_eq!(
        outcome,
        SegmentOutcome {
            good: starts[3],
            torn: true,
            damaged: false
        }
    );
}

// What stands before a finished write was acknowledged. If it cannot be read, something is lost,
// and whoever reads must know; what is behind it is kept.
#[test]
fn a_hole_before_a_later_write_is_damage_and_the_rest_is_read() {
    for hole in [1, 2, 3, 4] {
        let (mut bytes, starts) = segment(&[1, 2, 2, 2]);
        bytes[starts[hole] + FRAME_BYTES] ^= 1;
        let (bodies, outcome) = read(&bytes);
        let others = (1..=7u8).filter(|body| usize::from(*body) != hole + 1);
        assert_eq!(bodies, others.collect::<Vec<_>>(), "{hole}");
        assert_eq!(
            outcome,
            SegmentOutcome {
                good: bytes.len(),
                torn: false,
                damaged: true
            }
        );
    }
}

#[test]
fn zeros_behind_the_last_frame_are_its_end() {
    let (mut bytes, _) = segment(&[1, 2]);
    let good = bytes.len();
    bytes.resize(good + 4096, 0);
    let (bodies, outcome) = read(&bytes);
    assert_eq!(bodies, [1, 2, 3]);
    assert_eq!(
        outcome,
        SegmentOutcome {
            good,
            torn: false,
            damaged: false
        }
    );
}

#[test]
fn headers_of_other_versions_of_nothing_and_of_other_files_are_told_apart() {
    let (mut bytes, _) = segment(&[1, 2]);
    bytes[8] = 2;
    assert_eq!(
        SegmentReader::new(&bytes).err(),
        Some(HeaderError::Version(2))
    );
    for empty in [0, 5, 4096] {
        let error = SegmentReader::new(&vec![0; empty]).err();
        assert_eq!(error, Some(HeaderError::Empty), "{empty}");
    }
    let other = SegmentReader::new(b"[server]\nlisten = \"127.0.0.1:8080\"\n").err();
    assert_eq!(other, Some(HeaderError::NoSegment));
    // The frame behind a damaged header says the tag again.
    let (mut bytes, _) = segment(&[1, 2]);
    bytes[3] ^= 4;
    let (bodies, outcome) = read(&bytes);
    assert_eq!((bodies, outcome.damaged), (vec![1, 2, 3], true));
}

proptest! {
    // Whatever was done to the bytes, no frame is made up, and their order stays.
    #[test]
    fn no_frame_is_made_up(
        batches in vec(1usize..4, 1..6),
        flips in vec((any::<prop::sample::Index>(), 1u8..), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut bytes, _) = segment(&batches);
        for (at, bits) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        bytes.truncate(1 + cut.index(bytes.len()));
        if let Ok(mut reader) = SegmentReader::new(&bytes) {
            let mut before = 0;
            for frame in reader.by_ref() {
                let number = frame.body[0];
                prop_assert!(number > before);
                prop_assert!(frame.body.iter().all(|byte| *byte == number));
                before = number;
            }
            prop_assert!(reader.outcome().good <= bytes.len());
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes in vec(any::<u8>(), 0..400)) {
        let bytes = [&header(TAG)[..], &bytes].concat();
        let (_, outcome) = read(&bytes);
        prop_assert!(outcome.good <= bytes.len());
    }
}
