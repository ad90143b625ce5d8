//! Fuzzes the reader of segments of the state on disk: any bytes, behind a right header or not, and
//! whole segments with bytes changed. It makes up no frame, keeps their order, and cutting a
//! segment that is not damaged where it says gives the same frames again. A damaged one is never
//! cut but set aside; cut, it may lack what showed that a batch before it was finished, and gives
//! fewer.
#![no_main]

use fanfare::segment::{FramePlace, SegmentOutcome, SegmentReader, header, put_frame};
use libfuzzer_sys::fuzz_target;

const TAG: u32 = 0x0102_0304;

fuzz_target!(|data: &[u8]| {
    let [choice, rest @ ..] = data else {
        return;
    };
    let bytes = match choice % 3 {
        0 => rest.to_vec(),
        1 => [&header(TAG)[..], rest].concat(),
        _ => changed(rest),
    };
    let Some((bodies, outcome)) = read(&bytes) else {
        return;
    };
    assert!(outcome.good <= bytes.len());
    let (again, cut) = read(&bytes[..outcome.good]).expect("the same header");
    if outcome.damaged {
        assert!(bodies.starts_with(&again));
        return;
    }
    assert_eq!(again, bodies);
    assert_eq!((cut.good, cut.torn), (outcome.good, false));
});

fn read(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, SegmentOutcome)> {
    let mut reader = SegmentReader::new(bytes).ok()?;
    let bodies = reader.by_ref().map(|frame| frame.body.to_vec()).collect();
    Some((bodies, reader.outcome()))
}

/// A whole segment whose frames the input lays out, with some bytes changed by its end.
fn changed(input: &[u8]) -> Vec<u8> {
    let (mut bytes, mut batch) = (header(TAG).to_vec(), 1);
    let (frames, changes) = input.split_at(input.len() / 2);
    for (number, length) in frames.iter().enumerate() {
        let last = length & 1 != 0;
        let place = FramePlace {
            tag: TAG,
            batch,
            last,
        };
        let body = vec![number as u8; usize::from(length >> 1)];
        put_frame(&mut bytes, place, |out| out.extend_from_slice(&body));
        batch += u32::from(last);
    }
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] ^= change[2];
    }
    bytes
}
